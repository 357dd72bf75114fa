"""Shingles of documents as hashes: made at once for many documents, kept on disk, compared exactly.

A shingle is `n` words in a row. Its hash is the polynomial Σ wᵢ·Mⁱ of the hashes of its words, mod 2^64,
made from prefix sums: one subtraction a shingle, whatever `n` is (Karp and Rabin 1987).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gptmill.corpus.minhash import MULTIPLIER, Hashes, Ints

INVERSE = pow(int(MULTIPLIER), -1, 2**64)
BATCH = 1 << 21  # shingles compared at once, of both sides


def ngram_hashes(words: Hashes, n: int) -> Hashes:
    """The hash of each `n` words in a row: (words,) → (words − n + 1,), or none where there are fewer."""
    if len(words) < n:
        return np.empty(0, np.uint64)
    size = 1 << len(words).bit_length()
    sums = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words * _powers(int(MULTIPLIER), size)[: len(words)], out=sums[1:])
    hashes = sums[n:] - sums[:-n]
    hashes *= _powers(INVERSE, size)[: len(hashes)]
    return hashes


@lru_cache(maxsize=8)
def _powers(base: int, size: int) -> Hashes:
    """base⁰, base¹, … mod 2^64: (size,). Batches are of like sizes, so few lengths are ever asked for."""
    powers = np.full(size, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, out=powers)


def flat(lists: pa.ListArray | pa.LargeListArray) -> tuple[NDArray[Any], Ints]:
    """The values of all rows, and the bounds of the rows in them: (values,), (rows + 1,)."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    values = lists.values[int(offsets[0]) : int(offsets[-1])]
    return values.to_numpy(zero_copy_only=False), offsets - offsets[0]


def document_ngrams(lists: pa.ListArray | pa.LargeListArray, n: int) -> tuple[Hashes, Ints]:
    """The n-grams of documents given by the hashes of their words, in order, repeats included.

    Returns:
        The hashes of all n-grams, and for each the row that it stands in. No n-gram spans two rows; a row
        of fewer than `n` words has none.
    """
    words, bounds = flat(lists)
    hashes = ngram_hashes(words, n)
    counts = np.maximum(np.diff(bounds) - n + 1, 0)
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + bounds[:-1][row]
    return hashes[place], row


def shingle_sets(lists: pa.ListArray | pa.LargeListArray, n: int) -> tuple[Hashes, Ints]:
    """The set of shingles of each document: sorted, distinct hashes of 63 bits.

    A document shorter than `n` words is one shingle, the whole of it; one without words has none.

    Returns:
        The hashes of all rows, one after the other, and the bounds of the rows: (hashes,), (rows + 1,).
    """
    hashes, row = document_ngrams(lists, n)
    words, bounds = flat(lists)
    short = np.flatnonzero((np.diff(bounds) < n) & (np.diff(bounds) > 0))
    whole = [
        ngram_hashes(words[a:b], int(b - a)) for a, b in zip(bounds[short], bounds[short + 1], strict=True)
    ]
    hashes = np.concatenate((hashes, *whole)) >> np.uint64(1)  # sparse matrices count columns in int64
    row = np.concatenate((row, short))
    order = np.lexsort((hashes, row))
    hashes, row = hashes[order], row[order]
    first = np.ones(len(row), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (row[1:] != row[:-1])
    counts = np.bincount(row[first], minlength=len(lists))
    return hashes[first], np.concatenate(([0], np.cumsum(counts)))


class ShingleFile:
    """The shingle sets of some documents, in a file: 8 bytes a shingle there, 24 bytes a document here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._documents: list[Ints] = []
        self._sizes: list[Ints] = []
        path.write_bytes(b"")

    def append(self, documents: Ints, hashes: Hashes, bounds: Ints) -> None:
        """Add documents by number, with their sets as `shingle_sets` gives them."""
        with self.path.open("ab") as file:
            hashes.tofile(file)
        self._documents.append(documents.copy())  # a view would keep the whole batch that it was read with
        self._sizes.append(np.diff(bounds))

    def finish(self) -> None:
        """Make the sets readable; documents may have come in any order."""
        documents = np.concatenate([np.empty(0, np.int64), *self._documents])
        sizes = np.concatenate([np.empty(0, np.int64), *self._sizes])
        order = np.argsort(documents)
        self.documents = documents[order]
        self.start = (np.cumsum(sizes) - sizes)[order]
        self.size = sizes[order]
        n = int(sizes.sum())
        self.hashes = np.memmap(self.path, np.int64, "r", shape=(n,)) if n else np.empty(0, np.int64)

    def jaccard(self, pairs: Ints) -> NDArray[np.float64]:
        """|a ∩ b| / |a ∪ b| of each pair of documents; 0 where both are empty: (pairs, 2) → (pairs,)."""
        places = np.searchsorted(self.documents, pairs)
        size = self.size[places].sum(axis=1)
        batch = np.cumsum(size) // BATCH
        starts = np.flatnonzero(np.diff(batch, prepend=-1))
        bounds = [*starts.tolist(), len(pairs)]
        shared = [self._shared(places[a:b]) for a, b in pairwise(bounds)]
        both = np.concatenate([np.empty(0, np.int64), *shared])
        return np.asarray(both / np.maximum(size - both, 1))

    def _shared(self, places: Ints) -> Ints:
        """|a ∩ b|: rows of a sparse matrix whose column is the hash, multiplied, have that many entries."""
        from scipy.sparse import csr_array

        needed, row = np.unique(places, return_inverse=True)
        row = row.reshape(places.shape)
        sizes = self.size[needed]
        ends = np.cumsum(sizes)
        offset = np.repeat(self.start[needed] - (ends - sizes), sizes)
        hashes = np.asarray(self.hashes[np.arange(len(offset)) + offset])
        sets = csr_array(
            (np.ones(len(hashes), np.int8), hashes, np.concatenate(([0], ends))),
            shape=(len(needed), 2**63 - 1),
        )
        both = sets[row[:, 0]].multiply(sets[row[:, 1]])
        return np.asarray(np.diff(both.indptr), np.int64)

    def could_be(self, pairs: Ints, threshold: float) -> NDArray[np.bool_]:
        """Whether the sizes of two sets allow that similarity: they refute most pairs at no cost."""
        sizes = np.sort(self.size[np.searchsorted(self.documents, pairs)], axis=1)
        # By division, as in `jaccard`: 0.55 · 20 rounds to more than 11, 11 / 20 to 0.55 exactly.
        possible = (sizes[:, 0] >= 1) & (sizes[:, 0] / np.maximum(sizes[:, 1], 1) >= threshold)
        return np.asarray(possible, np.bool_)
