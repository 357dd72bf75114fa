"""dedupe: one document of each cluster of duplicates stays, and clusters are split, whole.

The steps, as the papers name them: sign every document → group exact copies → band the signatures into
buckets → verify candidate pairs → connect components → keep one → split. Texts stay in Daft; this
process holds for each document its id, length and band hashes (8 bytes a band), and word hashes for
candidates alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptmill.corpus.clusters import DisjointSets, connect, keep_one
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.engine import start_engine, write_sorted
from gptmill.corpus.minhash import (
    Hashes,
    Ints,
    buckets,
    candidate_pairs,
    jaccard,
    normalised,
    shingle_sets,
    similar,
    with_bands,
    word_hashes,
)
from gptmill.corpus.split import split_clusters
from gptmill.errors import UserError
from gptmill.params.dedupe import Dedupe

if TYPE_CHECKING:
    import daft

CLUSTER = pa.field("cluster", pa.string(), nullable=False)  # the id of the document kept
SPLIT = pa.field("split", pa.string(), nullable=False)
DOCUMENTS = pa.schema([*DOCUMENT, CLUSTER, SPLIT])
DROPPED = pa.schema(
    [
        *(DOCUMENT.field(name) for name in ("id", "source", "uri", "licence")),
        CLUSTER,
        pa.field("kept_id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # "exact" or "near"
        # Jaccard to the document kept; below the threshold where the two are joined by a third.
        pa.field("similarity", pa.float64(), nullable=False),
        SPLIT,
    ]
)


def dedupe(params: Dedupe, seed: int, source: Path, out: Path) -> None:
    """Read cleaned documents at `source`, write `documents.parquet` and `dropped.parquet` into `out`.

    Of each cluster the longest text stays, among equals the smallest id. A dropped document is `exact`
    when it equals the kept one but for case and white space, else `near`.

    Raises:
        UserError: on a missing source, on two documents of one id, and on fewer clusters than splits.
    """
    if not source.is_file():
        raise UserError(f"dedupe: {source} does not exist; run the clean stage first (`dvc repro clean`)")
    start_engine()
    import daft

    clusters = cluster(daft.read_parquet(str(source)), params, seed)
    decisions = decide(clusters, params, seed)
    documents = daft.read_parquet(str(source)).join(daft.from_arrow(decisions), on="id")
    kept = daft.col("reason").is_null()
    rows = write_sorted(documents.where(kept), out / "documents.parquet", DOCUMENTS, by=["id"])
    rows += write_sorted(documents.where(~kept), out / "dropped.parquet", DROPPED, by=["id"])
    if rows != len(clusters.ids):
        raise AssertionError(f"dedupe read {len(clusters.ids)} documents and wrote {rows}")


@dataclass
class Clusters:
    """Documents by number, in the order of their ids: the one kept for each, and how like it each is."""

    ids: list[str]
    kept: Ints
    exact: np.ndarray  # bool: equals the kept document's normalised text
    similarity: np.ndarray  # float64


def cluster(documents: daft.DataFrame, params: Dedupe, seed: int) -> Clusters:
    """Find the clusters of duplicates among documents (columns `id` and `text` are read)."""
    import daft

    signed = sign(documents, params, seed)
    ids = signed["id"].to_pylist()
    length = signed["length"].to_numpy().astype(np.int64)

    # Exact copies first: only one of each goes on, so that a text repeated a million times is one member.
    sets = DisjointSets(len(ids))
    original = first_copies(signed["exact"])
    connect(sets, zip(original.tolist(), range(len(ids)), strict=True), alike=lambda _a, _b: True)
    one_each = np.flatnonzero(original == np.arange(len(ids)))

    candidates = pa.table({"document": pa.array(one_each), "bands": signed["bands"].take(one_each)})
    members = buckets(daft.from_arrow(candidates)).to_arrow()["members"].combine_chunks()
    pairs = candidate_pairs(members)
    shingles = read_shingles(documents, ids, np.unique(pairs), params.ngram_size)
    connect(
        sets,
        pairs.tolist(),
        alike=lambda a, b: similar(shingles[a], shingles[b], params.similarity),
    )

    kept = keep_one(sets, length)
    exact = original == original[kept]
    similarity = [
        1.0 if same else jaccard(shingles[a], shingles[b])
        for same, a, b in zip(exact.tolist(), original.tolist(), original[kept].tolist(), strict=True)
    ]
    check_kept(kept)
    return Clusters(ids, kept, exact, np.array(similarity))


def sign(documents: daft.DataFrame, params: Dedupe, seed: int) -> pa.Table:
    """Columns id, length (characters), exact (a digest of the normalised text) and bands, sorted by id."""
    from daft import col
    from daft.functions import length

    signed = with_bands(documents.select("id", "text"), params.ngram_size, params.bands, params.rows, seed)
    exact = _digest(normalised(col("text"))).alias("exact")
    table = signed.select("id", length(col("text")).alias("length"), exact, "bands").to_arrow()
    table = table.take(pc.sort_indices(table["id"])).combine_chunks()
    repeated = table["id"][1:].filter(pc.equal(table["id"][1:], table["id"][:-1]))
    if len(repeated):
        raise UserError(
            f"dedupe: the id {repeated[0].as_py()} stands in more than one row of the cleaned documents "
            f"({len(repeated)} such rows); ids must be unique: run the collect and clean stages again"
        )
    return table


def _digest(text: daft.Expression) -> daft.Expression:
    """BLAKE2b-128 of each text: equal digests are equal texts."""
    import daft

    @daft.func.batch(return_dtype=daft.DataType.string())
    def digest(texts: daft.Series) -> list[str]:
        return [document_id(text) for text in texts.to_pylist()]

    return digest(text)


def first_copies(digests: pa.ChunkedArray) -> Ints:
    """For each document the number of the first document of the same digest."""
    codes = digests.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def read_shingles(documents: daft.DataFrame, ids: list[str], wanted: Ints, n: int) -> dict[int, Hashes]:
    """The shingle sets of the documents numbered `wanted`; their texts pass through Daft only."""
    import daft

    candidates = daft.from_arrow(pa.table({"id": [ids[i] for i in wanted], "document": wanted}))
    found = documents.select("id", "text").join(candidates, on="id")
    plan = found.select("document", word_hashes(daft.col("text")).alias("hashes"))
    sets: dict[int, Hashes] = {}
    for batch in plan.to_arrow_iter():
        hashes = batch["hashes"]
        sets.update(zip(batch["document"].to_pylist(), shingle_sets(hashes, n), strict=True))
    return sets


def check_kept(kept: Ints) -> None:
    """Every document points to one that stays. FineWeb once removed the right number of wrong documents."""
    wrong = np.flatnonzero(kept[kept] != kept)
    if len(wrong):
        raise AssertionError(f"documents numbered {wrong[:5]} are dropped for documents that are dropped")


def decide(clusters: Clusters, params: Dedupe, seed: int) -> pa.Table:
    """One row a document: its cluster, its side, and for the dropped the reason and the similarity."""
    ids, kept = clusters.ids, clusters.kept.tolist()
    stays = clusters.kept == np.arange(len(ids))
    sides = split_clusters(
        [ids[i] for i in np.flatnonzero(stays)], seed, params.validation_fraction, params.test_fraction
    )
    cluster_ids = [ids[i] for i in kept]
    reason = np.where(clusters.exact, "exact", "near")
    return pa.table(
        {
            "id": ids,
            "cluster": cluster_ids,
            "kept_id": cluster_ids,
            "reason": pa.array(reason, mask=stays),
            "similarity": clusters.similarity,
            "split": [sides[cluster_id] for cluster_id in cluster_ids],
        }
    )
