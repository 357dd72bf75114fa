"""Clusters of near-duplicates, as the papers name the steps: sign every document → group those of the same
words → band the signatures into buckets → verify candidate pairs → connect components → keep one.

Texts pass through Daft only. Of a document this process holds a few numbers, some 100 bytes at most,
whatever the length of its text (Daft's batches in flight come on top). The hashes of its bands and the
shingles of candidates, 8 bytes each, lie in scratch files, of which one band and one batch of pairs are in
memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gptmill.corpus.clusters import DisjointSets, connect, keep_one
from gptmill.corpus.engine import release_memory
from gptmill.corpus.minhash import (
    Hashes,
    Ints,
    band_hashes,
    candidate_pairs,
    normalised,
    word_hashes,
    words,
)
from gptmill.corpus.numbered import numbered
from gptmill.corpus.shingles import ShingleFile, shingle_sets
from gptmill.params.dedupe import Dedupe

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

    length: NDArray[np.int32]  # characters
    has_words: NDArray[np.bool_]
    words: list[Hashes]  # two hashes of the words: equal where the words are
    quality: list[NDArray[np.float64]]
    bands: Bands


class Bands:
    """Band hashes in a file of shape (bands, documents): written in batches, read a band at a time."""

    def __init__(self, path: Path, bands: int, documents: int) -> None:
        self.path, self.bands, self.documents = path, bands, documents
        path.write_bytes(b"")

    def write(self, number: Ints, hashes: Hashes) -> None:
        """Put the hashes (bands, documents) of the documents of these numbers in their places."""
        starts = np.flatnonzero(np.diff(number, prepend=-2) != 1).tolist()
        with self.path.open("r+b") as file:
            for start, end in pairwise([*starts, len(number)]):
                for band, row in enumerate(hashes):
                    file.seek(8 * (band * self.documents + int(number[start])))
                    file.write(row[start:end].tobytes())

    def read(self, documents: Ints) -> Iterator[Hashes]:
        """For each band the hashes of `documents`."""
        for band in range(self.bands):
            offset = 8 * band * self.documents
            yield np.fromfile(self.path, np.uint64, self.documents, offset=offset)[documents]


def cluster(source: Path, params: Dedupe, seed: int, scratch: Path) -> Clusters:
    """Find the clusters of duplicates.

    Args:
        source: a Parquet file of documents (columns `id`, `text`), sorted by id.
        scratch: an empty folder for files that can be removed afterwards.
    """
    signed = sign(source, params, seed, scratch)
    release_memory()
    n = len(signed.length)

    # The same words first: only one of them goes on, so that a text repeated a million times is one member.
    same = first_of(signed.words)
    signed.words = []
    exact = exact_copies(source, same)
    same = np.where(signed.has_words, same, exact)  # texts without words are not alike for that
    sets = DisjointSets(n)
    sets.unite(np.stack((same, np.arange(n)), axis=1)[same != np.arange(n)])

    one_each = np.flatnonzero((same == np.arange(n)) & signed.has_words)
    release_memory()
    pairs = candidate_pairs(signed.bands.read(one_each), one_each)
    release_memory()
    shingles = read_shingles(source, np.unique(pairs), params.ngram_size, scratch / "shingles")

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


def sign(source: Path, params: Dedupe, seed: int, scratch: Path) -> Signed:
    """One pass over all texts: lengths, hashes of the words, band hashes."""
    from daft import col, lit
    from daft.functions import hash as xxh3
    from daft.functions import length, minhash

    file = pq.ParquetFile(source)
    n = file.metadata.num_rows
    quality = [name for name in QUALITY if name in file.schema_arrow.names]
    signature = minhash(
        col("words"), num_hashes=params.bands * params.rows, ngram_size=params.ngram_size, seed=seed
    )
    plan = (
        numbered(source, ["text", *quality])
        .with_column("words", words(col("text")))
        .select(
            "document",
            length(col("text")).alias("length"),
            (length(col("words")) > lit(0)).alias("has_words"),
            *(xxh3(col("words"), seed=seed).alias(f"words{seed}") for seed in (0, 1)),
            *quality,
            signature.alias("signature"),
        )
    )
    kinds = {"length": np.int32, "has_words": np.bool_, "words0": np.uint64, "words1": np.uint64}
    columns = {name: np.zeros(n, kind) for name, kind in (kinds | dict.fromkeys(quality, np.float64)).items()}
    bands = Bands(scratch / "bands", params.bands, n)
    for batch in plan.to_arrow_iter():
        number = batch["document"].to_numpy()
        flat = batch["signature"].flatten().to_numpy(zero_copy_only=False)
        bands.write(number, band_hashes(flat.reshape(len(batch), -1), params.bands))
        for name, column in columns.items():
            column[number] = batch[name].to_numpy(zero_copy_only=False)
    return Signed(
        length=columns["length"],
        has_words=columns["has_words"],
        words=[columns["words0"], columns["words1"]],
        quality=[np.nan_to_num(columns[name], nan=-np.inf, copy=False) for name in quality],
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


def exact_copies(source: Path, same: Ints) -> Ints:
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
    found = numbered(source, ["text"], twins).select("document", *keys).to_arrow()
    found = found.take(pc.sort_indices(found["document"]))
    exact[twins] = twins[first_of([found[name].to_numpy() for name in ("key0", "key1")])]
    return exact


def read_shingles(source: Path, wanted: Ints, n: int, path: Path) -> ShingleFile:
    """The shingle sets of the documents numbered `wanted`, in a file at `path`."""
    from daft import col

    shingles = ShingleFile(path)
    if len(wanted):
        plan = numbered(source, ["text"], wanted).select("document", word_hashes(col("text")).alias("hashes"))
        for batch in plan.to_arrow_iter():
            shingles.append(batch["document"].to_numpy(), *shingle_sets(batch["hashes"], n))
    shingles.finish()
    return shingles


def check_kept(kept: Ints) -> None:
    """Every document points to one that stays. FineWeb once removed the right number of wrong documents."""
    wrong = np.flatnonzero(kept[kept] != kept)
    if len(wrong):
        raise AssertionError(f"documents numbered {wrong[:5]} are dropped for documents that are dropped")
