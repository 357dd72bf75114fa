"""Clusters of near-duplicates, as the papers name the steps: sign every document → group those of the same
words → band the signatures into buckets → verify candidate pairs → connect components → keep one.

Texts pass through Daft only. Of a document this process holds its id and about a dozen numbers, some 150
bytes whatever the length of its text (Daft's batches in flight come on top). The hashes of its bands and the
shingles of candidates, 8 bytes each, lie in scratch files, of which one band and one batch of pairs are in
memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gptmill.corpus.clusters import DisjointSets, connect, keep_one
from gptmill.corpus.minhash import (
    Hashes,
    Ints,
    band_hashes,
    candidate_pairs,
    normalised,
    word_hashes,
    words,
)
from gptmill.corpus.shingles import ShingleFile, shingle_sets
from gptmill.params.dedupe import Dedupe

if TYPE_CHECKING:
    import daft

# What makes one of two equally long texts the better: the share of lines that end a sentence (lost where
# layout was), then how many of Gopher's stop words occur (running prose). Signals of clean; a corpus
# without such a column has equals there.
QUALITY = ("terminal_punctuation_lines_ratio", "stop_words")


@dataclass
class Clusters:
    """Documents by number, in the order of their ids: the one kept for each, and how like it each is."""

    kept: Ints
    exact: NDArray[np.bool_]  # equals the kept document's normalised text
    similarity: NDArray[np.float64]
    compared: int  # pairs of documents
    candidates: int


@dataclass
class Signed:
    """A row a document, by number."""

    length: Ints  # characters
    has_words: NDArray[np.bool_]
    words: list[Hashes]  # two hashes of the words: equal where the words are
    quality: list[NDArray[np.float64]]
    bands: Bands


class Bands:
    """Band hashes in a file of shape (bands, documents): written in batches, read a band at a time."""

    def __init__(self, path: Path, bands: int, documents: int) -> None:
        self.path, self.bands, self.documents = path, bands, documents
        self.number: list[Ints] = []
        path.write_bytes(b"")

    def append(self, number: Ints, hashes: Hashes) -> None:
        """Add the hashes (bands, documents) of the documents of these numbers."""
        at = sum(map(len, self.number))
        with self.path.open("r+b") as file:
            for band, row in enumerate(hashes):
                file.seek(8 * (band * self.documents + at))
                file.write(row.tobytes())
        self.number.append(number)

    def read(self, documents: Ints) -> Iterator[Hashes]:
        """For each band the hashes of `documents`."""
        place = np.empty(self.documents, np.int64)
        place[np.concatenate([np.empty(0, np.int64), *self.number])] = np.arange(self.documents)
        place = place[documents]
        for band in range(self.bands):
            yield np.fromfile(self.path, np.uint64, self.documents, offset=8 * band * self.documents)[place]


def cluster(source: Path, ids: pa.Array, params: Dedupe, seed: int, scratch: Path) -> Clusters:
    """Find the clusters of duplicates.

    Args:
        source: a Parquet file of documents (columns `id`, `text`), sorted by id.
        ids: its ids; a document's place there is its number.
        scratch: an empty folder for files that can be removed afterwards.
    """
    signed = sign(source, ids, params, seed, scratch)
    n = len(ids)

    # The same words first: only one of them goes on, so that a text repeated a million times is one member.
    same = first_of(signed.words)
    exact = exact_copies(source, ids, same)
    same = np.where(signed.has_words, same, exact)  # texts without words are not alike for that
    sets = DisjointSets(n)
    sets.unite(np.stack((same, np.arange(n)), axis=1)[same != np.arange(n)])

    one_each = np.flatnonzero((same == np.arange(n)) & signed.has_words)
    pairs = candidate_pairs(signed.bands.read(one_each), one_each)
    shingles = read_shingles(source, ids, np.unique(pairs), params.ngram_size, scratch / "shingles")

    def alike(some: Ints) -> NDArray[np.bool_]:
        found = shingles.could_be(some, params.similarity)
        found[found] = shingles.jaccard(some[found]) >= params.similarity
        return found

    compared = connect(sets, pairs, alike)
    kept = keep_one(sets, signed.length, signed.quality)
    check_kept(kept)
    similarity = np.ones(n)
    apart = np.flatnonzero(same != same[kept])
    similarity[apart] = shingles.jaccard(np.stack((same[apart], same[kept[apart]]), axis=1))
    return Clusters(kept, exact == exact[kept], similarity, compared, len(pairs))


def sign(source: Path, ids: pa.Array, params: Dedupe, seed: int, scratch: Path) -> Signed:
    """One pass over all texts: lengths, hashes of the words, band hashes."""
    import daft
    from daft import col
    from daft.functions import hash as xxh3
    from daft.functions import length, minhash

    documents = daft.read_parquet(str(source))
    quality = [name for name in QUALITY if name in documents.column_names]
    signature = minhash(
        col("words"), num_hashes=params.bands * params.rows, ngram_size=params.ngram_size, seed=seed
    )
    plan = documents.with_column("words", words(col("text"))).select(
        "id",
        length(col("text")).alias("length"),
        length(col("words")).alias("word_length"),
        *(xxh3(col("words"), seed=seed).alias(f"words{seed}") for seed in (0, 1)),
        *quality,
        signature.alias("signature"),
    )
    names = ["length", "word_length", "words0", "words1", *quality]
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    bands = Bands(scratch / "bands", params.bands, len(ids))
    row = 0
    for batch in plan.to_arrow_iter():
        number = np.arange(row, row + len(batch))
        if not batch["id"].cast(ids.type).equals(ids.slice(row, len(batch))):  # another order than the file's
            number = pc.index_in(batch["id"].cast(ids.type), ids).to_numpy()
        row += len(batch)
        flat = batch["signature"].flatten().to_numpy(zero_copy_only=False)
        bands.append(number, band_hashes(flat.reshape(len(batch), -1), params.bands))
        for name in names:
            columns[name].append(batch[name].to_numpy(zero_copy_only=False))

    order = np.argsort(np.concatenate([np.empty(0, np.int64), *bands.number]))
    kinds = {"words0": np.uint64, "words1": np.uint64} | dict.fromkeys(quality, np.float64)

    def column(name: str) -> NDArray[Any]:
        kind = kinds.get(name, np.int64)
        return np.concatenate([np.empty(0, kind), *(x.astype(kind) for x in columns.pop(name))])[order]

    return Signed(
        length=column("length"),
        has_words=column("word_length") > 0,
        words=[column("words0"), column("words1")],
        quality=[np.nan_to_num(column(name), nan=-np.inf) for name in quality],
        bands=bands,
    )


def first_of(keys: list[Hashes]) -> Ints:
    """For each document the number of the first document of equal keys."""
    order = np.lexsort(keys)  # stable: within equal keys by number
    new = np.zeros(len(order), bool)
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    new[:1] = True
    starts = np.flatnonzero(new)
    first = np.empty(len(order), np.int64)
    first[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    return first


def exact_copies(source: Path, ids: pa.Array, same: Ints) -> Ints:
    """For each document the first that equals it but for case and white space.

    Only texts of the same words can; theirs alone are read.
    """
    from daft import col
    from daft.functions import hash as xxh3

    exact = np.arange(len(same))
    twins = np.flatnonzero(np.bincount(same, minlength=len(same))[same] > 1)
    if not len(twins):
        return exact
    keys = [xxh3(normalised(col("text")), seed=seed).alias(f"key{seed}") for seed in (0, 1)]
    found = numbered(source, ids, twins).select("document", *keys).to_arrow()
    found = found.take(pc.sort_indices(found["document"]))
    exact[twins] = twins[first_of([found[name].to_numpy() for name in ("key0", "key1")])]
    return exact


def numbered(source: Path, ids: pa.Array, wanted: Ints) -> daft.DataFrame:
    """The documents of these numbers: columns `document` (the number) and `text`."""
    import daft

    numbers = daft.from_arrow(pa.table({"id": ids.take(pa.array(wanted)), "document": wanted}))
    return daft.read_parquet(str(source)).select("id", "text").join(numbers, on="id").exclude("id")


def read_shingles(source: Path, ids: pa.Array, wanted: Ints, n: int, path: Path) -> ShingleFile:
    """The shingle sets of the documents numbered `wanted`, in a file at `path`."""
    from daft import col

    shingles = ShingleFile(path)
    if len(wanted):
        plan = numbered(source, ids, wanted).select("document", word_hashes(col("text")).alias("hashes"))
        for batch in plan.to_arrow_iter():
            shingles.append(batch["document"].to_numpy(), *shingle_sets(batch["hashes"], n))
    shingles.finish()
    return shingles


def sorted_by_id(source: Path, scratch: Path) -> tuple[Path, pa.Array]:
    """`source` and its ids, or a sorted copy of it: a document's number is its row from here on.

    Clean writes sorted documents, so the copy is for files from elsewhere.
    """
    ids = read_ids(source)
    if len(ids) > 1 and not pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py():
        import daft

        from gptmill.corpus.engine import write_sorted

        copy = scratch / "sorted.parquet"
        write_sorted(daft.read_parquet(str(source)), copy, pq.read_schema(source), by=["id"])
        source, ids = copy, read_ids(copy)
    return source, ids


def read_ids(source: Path) -> pa.Array:
    ids = pq.ParquetFile(source).read(columns=["id"], use_threads=False)["id"].cast(pa.large_string())
    return ids.combine_chunks() if ids.num_chunks != 1 else ids.chunk(0)


def check_kept(kept: Ints) -> None:
    """Every document points to one that stays. FineWeb once removed the right number of wrong documents."""
    wrong = np.flatnonzero(kept[kept] != kept)
    if len(wrong):
        raise AssertionError(f"documents numbered {wrong[:5]} are dropped for documents that are dropped")
