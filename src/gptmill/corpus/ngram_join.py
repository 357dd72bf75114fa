"""Which documents share n-grams with which examples, in bounded memory, whatever the number of n-grams.

A partitioned hash join (Kitsuregawa, Tanaka and Moto-oka 1983; the "Grace" join). Pairs (hash of an n-gram,
number of an example or a document) go to files by the high bits of the hash, 12 bytes a pair; equal hashes
meet in one partition, and a partition for each core is in memory at a time. Most n-grams of the documents are in no
example: a bitmap of the hashes' low bits answers for them, and they are not written (Babb 1979). It has 16
bits an n-gram of the examples, and at most `BITMAP_BYTES`: where that is too little more pairs are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptmill.corpus.minhash import Hashes, Ints

HELD = 1 << 19  # pairs in memory, about 60 bytes each while they are sorted
BITMAP_BYTES = 1 << 25
PAIR = np.dtype([("hash", "<u8"), ("number", "<i4")])
Pairs = NDArray[np.void]
Bitmap = NDArray[np.uint8]


class Partitions:
    """Pairs in files by the high bits of the hash; what was appended first is read first."""

    def __init__(self, folder: Path, name: str, bits: int) -> None:
        self.folder, self.name, self.bits = folder, name, bits
        self._waiting: list[Pairs] = []
        self._size = 0

    def append(self, hashes: Hashes, numbers: Ints) -> None:
        pairs = np.empty(len(hashes), PAIR)
        pairs["hash"], pairs["number"] = hashes, numbers
        self._waiting.append(pairs)
        self._size += len(pairs)
        if self._size >= HELD:
            self.flush()

    def flush(self) -> None:
        """Write what waits; to be called before reading."""
        pairs = np.concatenate([np.empty(0, PAIR), *self._waiting])
        self._waiting, self._size = [], 0
        partition = (pairs["hash"] >> np.uint64(1)) >> np.uint64(63 - self.bits)
        order = np.argsort(partition.astype(np.uint32), kind="stable")
        bounds = np.searchsorted(partition[order], np.arange((1 << self.bits) + 1))
        for i in np.flatnonzero(np.diff(bounds)).tolist():
            with self._path(i).open("ab") as file:
                pairs[order[bounds[i] : bounds[i + 1]]].tofile(file)

    def read(self, partition: int) -> Iterator[Pairs]:
        """The pairs of a partition, `HELD` at a time."""
        path = self._path(partition)
        size = path.stat().st_size // PAIR.itemsize if path.exists() else 0
        for start in range(0, size, HELD):
            yield np.fromfile(path, PAIR, HELD, offset=start * PAIR.itemsize)

    def _path(self, partition: int) -> Path:
        return self.folder / f"{self.name}-{partition}"


def partition_bits(pairs: int) -> int:
    """How many bits of the hash name a partition, for partitions of at most about `HELD` pairs."""
    return max(0, -(-pairs // HELD) - 1).bit_length()


def new_bitmap(ngrams: int) -> Bitmap:
    """A bitmap for so many n-grams, of which one in sixteen that is not here passes: (bytes,)."""
    return np.zeros(min(1 << max(10, (2 * ngrams - 1).bit_length()), BITMAP_BYTES), np.uint8)


def mark(bitmap: Bitmap, hashes: Hashes) -> None:
    """Note the hashes in the bitmap."""
    low = hashes & np.uint64(8 * len(bitmap) - 1)
    for bit in range(8):  # the same byte may be meant twice; for one bit at a time that does no harm
        bitmap[low[low & np.uint64(7) == bit] >> np.uint64(3)] |= np.uint8(1 << bit)


def marked(bitmap: Bitmap, hashes: Hashes) -> Ints:
    """The places of the hashes that may have been noted."""
    low = hashes & np.uint64(8 * len(bitmap) - 1)
    bit = np.left_shift(np.uint8(1), (low & np.uint64(7)).astype(np.uint8))
    return np.flatnonzero(bitmap[low >> np.uint64(3)] & bit)


class Counts:
    """Sums by key, over arrays that come one after the other; no more is held than twice the distinct keys."""

    def __init__(self) -> None:
        self._held: list[tuple[Ints, Ints]] = []
        self._merged = (np.empty(0, np.int64), np.empty(0, np.int64))

    def add(self, keys: Ints, counts: Ints) -> None:
        self._held.append((keys, counts))
        if sum(len(keys) for keys, _ in self._held) > max(HELD, len(self._merged[0])):
            self.total()

    def total(self) -> tuple[Ints, Ints]:
        """The distinct keys, ascending, and the sum of each."""
        keys, counts = (np.concatenate(x) for x in zip(self._merged, *self._held, strict=True))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        self._merged = (keys[starts], np.add.reduceat(counts[order], starts) if len(starts) else counts)
        self._held = []
        return self._merged


@dataclass
class Joined:
    """One partition: its n-grams, the examples and the documents that have them."""

    gram: Ints  # (pairs of n-gram and example,), ascending; n-grams are numbered from 0
    example: Ints
    documents_of: NDArray[np.int32]  # for each n-gram, in how many documents it stands
    both: Ints  # document · 2^32 + example, for each two that share n-grams; ascending
    overlap: Ints  # how many they share


def join(examples: Partitions, documents: Partitions, partition: int, most: int) -> Joined:
    """Join one partition. An n-gram in more than `most` documents, or examples, joins nothing."""
    hashes, gram, example = _grouped(np.concatenate([np.empty(0, PAIR), *examples.read(partition)]))
    times = np.zeros(len(hashes), np.int32)
    last = np.full(len(hashes), -1)  # the last document of each n-gram so far
    none = np.empty(0, np.int64)
    grams, numbers = [none], [none]
    for chunk in documents.read(partition) if len(hashes) else ():
        place = np.minimum(np.searchsorted(hashes, chunk["hash"]), len(hashes) - 1)
        hit = np.flatnonzero(hashes[place] == chunk["hash"])
        hit = hit[np.argsort(place[hit], kind="stable")]
        place, number = place[hit], chunk["number"][hit].astype(np.int64)
        # A document's pairs stand together, so the same n-gram again comes right after the first.
        begins = np.flatnonzero(np.diff(place, prepend=-1))
        before = np.roll(number, 1)
        before[begins] = last[place[begins]]
        last[place] = number  # the last of each stays
        once = number != before
        place, number = place[once], number[once]
        np.add.at(times, place, 1)
        rare = times[place] <= most
        grams.append(place[rare])
        numbers.append(number[rare])
    place, number = np.concatenate(grams), np.concatenate(numbers)
    rare = times[place] <= most  # now that all were counted
    place, number = place[rare], number[rare]

    bounds = np.searchsorted(gram, np.arange(len(hashes) + 1))
    counts = np.diff(bounds)
    counts[counts > most] = 0
    counts = counts[place]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    partner = example[np.repeat(bounds[place], counts) + within]
    both, overlap = np.unique((np.repeat(number, counts) << 32) | partner, return_counts=True)
    return Joined(gram, example, times, both, overlap)


def _grouped(pairs: Pairs) -> tuple[Hashes, Ints, Ints]:
    """The distinct hashes, ascending, and the distinct pairs of a hash (its place) and a number."""
    pairs = pairs[np.argsort(pairs["hash"], kind="stable")]
    new = np.ones(len(pairs), bool)
    new[1:] = pairs["hash"][1:] != pairs["hash"][:-1]
    once = new.copy()  # an example's pairs stand together in the file, so the same again follows the first
    once[1:] |= pairs["number"][1:] != pairs["number"][:-1]
    hashes = pairs["hash"][new]
    return hashes, (np.cumsum(new) - 1)[once], pairs["number"][once].astype(np.int64)
