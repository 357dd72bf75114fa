"""dedupe: one document of each cluster of duplicates stays; clusters are split, whole; what overlaps the
test examples leaves the training text.

The steps: cluster (`near_duplicates.py`) → split → decontaminate → write. Texts are never held: they
pass through Daft, and from Parquet to Parquet, in batches.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gptmill.corpus.decontaminate import Contaminated, contaminated
from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import release_memory, start_engine, write_rows
from gptmill.corpus.minhash import Ints
from gptmill.corpus.near_duplicates import Clusters, cluster
from gptmill.corpus.numbered import batches_of, ids_of, sorted_by_id
from gptmill.corpus.split import SIDES, split_clusters
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.dedupe import Dedupe

CLUSTER = pa.field("cluster", pa.string(), nullable=False)  # the id of the document that stands for it
SPLIT = pa.field("split", pa.string(), nullable=False)
DOCUMENTS = pa.schema([*DOCUMENT, CLUSTER, SPLIT])
DROPPED = pa.schema(
    [
        *(DOCUMENT.field(name) for name in ("id", "source", "uri", "licence")),
        CLUSTER,
        # The document kept instead; for `contaminated:NAME` the example that it overlaps most: the id of a
        # document of split NAME, or the row (and column) of task NAME.
        pa.field("kept_id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # "exact", "near" or "contaminated:NAME"
        # Jaccard to the document kept, below the threshold where the two are joined by a third; for
        # `contaminated`, the share of the n-grams of the shorter, document or example, that both have.
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("overlap", pa.int64()),  # for `contaminated`: how many n-grams both have
        SPLIT,
    ]
)
S_CURVE = [round(i / 50, 2) for i in range(51)]


def dedupe(params: Dedupe, seed: int, source: Path, out: Path, reports: Path) -> None:
    """Read cleaned documents at `source`; write documents.parquet and dropped.parquet into `out`,
    metrics.json and s_curve.csv into `reports`.

    Of each cluster the longest text stays, among equals the one of the best quality (`QUALITY`), then the
    smallest id. A dropped document is `exact` when it equals the kept one but for case and white space,
    else `near`. If the document that stands for a cluster is contaminated, the whole cluster goes, with
    the evidence found for that one.

    Raises:
        UserError: on a missing source, on two documents of one id, and on fewer clusters than splits.
    """
    if not source.is_file():
        raise UserError(f"dedupe: {source} does not exist; run the clean stage first (`dvc repro clean`)")
    start_engine()
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        source, documents = sorted_by_id(source, Path(scratch))
        clusters = cluster(source, params, seed, Path(scratch))
        release_memory()
        decisions, report = decide(clusters, params, seed, source, Path(scratch))
        release_memory()
        kept = write_rows(_kept(source, decisions), out / "documents.parquet", DOCUMENTS)
        dropped = write_rows(_dropped(source, decisions), out / "dropped.parquet", DROPPED)
    if kept + dropped != documents:
        raise AssertionError(f"dedupe read {documents} documents and wrote {kept + dropped}")
    write_json(reports / "metrics.json", metrics(params, clusters, decisions) | report)
    with (reports / "s_curve.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["similarity", "compared"])
        rows.writerows([s, f"{params.chance(s):.6f}"] for s in S_CURVE)


@dataclass
class Decisions:
    """What becomes of each document, by number."""

    clusters: Clusters
    side: NDArray[np.int8]  # its place in SIDES
    goes: NDArray[np.bool_]
    contamination: NDArray[np.int32]  # -1, or the place in `contaminated` of what its cluster overlaps
    contaminated: Contaminated | None


def decide(
    clusters: Clusters, params: Dedupe, seed: int, source: Path, scratch: Path
) -> tuple[Decisions, dict[str, Any]]:
    """Split the clusters, whole, then find the contaminated among those for training."""
    n = len(clusters.kept)
    stands = clusters.kept == np.arange(n)
    numbers = np.flatnonzero(stands)
    side = np.zeros(n, np.int8)
    names = (
        name
        for batch, number in _batches(source, ["id"])
        for name in batch["id"].filter(pa.array(stands[number])).to_pylist()
    )
    side[numbers] = split_clusters(
        names, len(numbers), seed, params.validation_fraction, params.test_fraction
    )
    side = side[clusters.kept]
    contamination = np.full(n, -1, np.int32)
    found = None
    if params.decontaminate:
        sides = {name: numbers[side[numbers] == i] for i, name in enumerate(SIDES)}
        found = contaminated(source, sides, params.decontaminate, scratch)
        contamination[found.document] = np.arange(len(found.document))
        contamination = contamination[clusters.kept]
    goes = ~stands | (contamination >= 0)
    return Decisions(clusters, side, goes, contamination, found), (
        {"decontamination": found.report} if found else {}
    )


def _kept(source: Path, decisions: Decisions) -> Iterator[pa.RecordBatch]:
    """The documents that stay, a batch of the file at a time."""
    for batch, number in _batches(source, DOCUMENT.names):
        stays = ~decisions.goes[number]
        batch = batch.filter(pa.array(stays))
        side = _sides(decisions.side[number[stays]])
        yield pa.record_batch([*batch.columns, batch["id"], side], names=DOCUMENTS.names)


def _dropped(source: Path, decisions: Decisions) -> Iterator[pa.RecordBatch]:
    """The documents that go, with the reason and the evidence."""
    clusters, found = decisions.clusters, decisions.contaminated
    standing = np.unique(clusters.kept[decisions.goes])
    names = ids_of(source, standing)
    for batch, number in _batches(source, DROPPED.names[:4]):
        goes = decisions.goes[number]
        number = number[goes]
        cluster = names.take(pa.array(np.searchsorted(standing, clusters.kept[number]))).to_pylist()
        reason = np.where(clusters.exact[number], "exact", "near").tolist()
        kept_id, similarity = list(cluster), clusters.similarity[number].tolist()
        overlap: list[int | None] = [None] * len(number)
        for i, at in enumerate(decisions.contamination[number].tolist()):
            if at >= 0 and found:
                reason[i], kept_id[i] = f"contaminated:{found.name[at]}", found.example[at]
                similarity[i], overlap[i] = float(found.share[at]), int(found.overlap[at])
        columns = [cluster, kept_id, reason, similarity, overlap, _sides(decisions.side[number])]
        arrays = [pa.array(c, field.type) for c, field in zip(columns, list(DROPPED)[4:], strict=True)]
        yield pa.record_batch([*batch.filter(pa.array(goes)).columns, *arrays], names=DROPPED.names)


def _batches(source: Path, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, Ints]]:
    """The rows of the file in batches, with the numbers of the documents."""
    row = 0
    with pq.ParquetFile(source) as file:
        for batch in batches_of(file, columns):
            yield batch.select(columns), np.arange(row, row + len(batch))
            row += len(batch)


def _sides(side: NDArray[np.int8]) -> pa.Array:
    return pa.array(SIDES).take(pa.array(side))


def metrics(params: Dedupe, clusters: Clusters, decisions: Decisions) -> dict[str, Any]:
    """reports/dedupe/metrics.json: what went and why, and how well the signature finds duplicates."""
    sizes = np.bincount(clusters.kept, minlength=1)
    fate = decisions.contamination < 0
    is_dropped = decisions.goes & fate
    return {
        "documents": len(clusters.kept),
        "kept": int((~decisions.goes).sum()),
        "exact": int((is_dropped & clusters.exact).sum()),
        "near": int((is_dropped & ~clusters.exact).sum()),
        "contaminated": int((~fate).sum()),
        "clusters": int((sizes > 1).sum()),
        "largest_cluster": int(sizes.max(initial=0)),
        "splits": {
            name: int((~decisions.goes & (decisions.side == i)).sum()) for i, name in enumerate(SIDES)
        },
        "pairs_nominated": clusters.candidates,
        "pairs_compared": clusters.compared,
        "bands": params.bands,
        "rows": params.rows,
        "similarity": params.similarity,
        "compared_at": {str(s): round(params.chance(s), 4) for s in (0.5, 0.6, 0.7, 0.8, 0.9)},
        "compared_at_similarity": round(params.chance(params.similarity), 4),
    }
