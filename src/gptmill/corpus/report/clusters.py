"""The largest clusters of duplicates, with what their members say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from gptmill.corpus.report.figures import CONTAMINATED
from gptmill.corpus.report.tables import BATCH, existing

CLUSTERS, COPIES = 8, 2
CHARS = 420  # of a text


@dataclass(frozen=True)
class Member:
    """A document of a cluster; `similarity` is to the one kept, None for that one."""

    id: str
    source: str
    uri: str
    similarity: float | None
    text: str


@dataclass(frozen=True)
class Cluster:
    """The document kept, how many copies of it were dropped, and the least alike of them."""

    kept: Member
    copies: int
    least_similarity: float
    examples: list[Member]


def largest_clusters(data: Path) -> list[Cluster]:
    """The clusters with the most documents dropped, and their `COPIES` least similar members.

    Held in memory: the cluster ids of the dropped documents.
    """
    dropped = ds.dataset(existing(data / "dedupe" / "dropped.parquet"))
    copies = ~pc.starts_with(ds.field("reason"), CONTAMINATED)
    sizes = (
        dropped.to_table(["cluster", "similarity"], filter=copies)
        .group_by("cluster")
        .aggregate([("similarity", "count"), ("similarity", "min")])
        .sort_by([("similarity_count", "descending"), ("cluster", "ascending")])
        .slice(0, CLUSTERS)
        .to_pylist()
    )
    ids = pa.array([row["cluster"] for row in sizes], pa.string())
    columns = ["id", "source", "uri", "similarity", "cluster"]
    members = dropped.to_table(columns, filter=copies & ds.field("cluster").isin(ids)).sort_by(
        [("similarity", "ascending"), ("id", "ascending")]
    )
    examples = {
        name: members.filter(pc.equal(members["cluster"], name)).slice(0, COPIES).to_pylist()
        for name in ids.to_pylist()
    }
    wanted = [*examples, *(row["id"] for rows in examples.values() for row in rows)]
    texts = _texts(data / "clean" / "documents.parquet", wanted)

    clusters = []
    for row in sizes:
        name = row["cluster"]
        shown = [
            Member(m["id"], m["source"], m["uri"], m["similarity"], texts[m["id"]]["text"])
            for m in examples[name]
        ]
        kept = Member(name, texts[name]["source"], texts[name]["uri"], None, texts[name]["text"])
        clusters.append(Cluster(kept, row["similarity_count"], row["similarity_min"], shown))
    return clusters


def _texts(path: Path, ids: list[str]) -> dict[str, dict[str, str]]:
    """id, source, uri and the beginning of the text of the documents with these ids, read in batches."""
    wanted = pa.array(ids, pa.string())
    found = {}
    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=["id", "source", "uri", "text"]):
        rows = batch.filter(pc.is_in(batch["id"], wanted))
        for row in rows.to_pylist():
            found[row["id"]] = row | {"text": row["text"][:CHARS]}
    return found
