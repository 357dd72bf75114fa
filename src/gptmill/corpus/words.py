"""The words of a batch of documents as integers: each distinct word is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Words(NamedTuple):
    """All words of a batch, one document after the other; d documents, n words, v distinct ones."""

    ids: Ints  # (n,) number of each word, in the order in which they first came up
    starts: Ints  # (d + 1,) where each document's words begin, and n
    lengths: Ints  # (n,) characters
    distinct: list[str]  # (v,)

    @property
    def documents(self) -> Ints:
        """(n,) which document each word is of."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def each(self, of_word: Callable[[str], int]) -> Ints:
        """(n,) a whole number for each word, asked for once a distinct word."""
        return np.fromiter(map(of_word, self.distinct), np.int64, len(self.distinct))[self.ids]

    def total(self, values: NDArray[np.generic]) -> Ints:
        """(d,) the sum over each document's words of `values` (n,), whole numbers."""
        return np.diff(running(values)[self.starts])

    def united(self, flags: Ints) -> Ints:
        """(d,) the flags (n,), bits, that any of a document's words has."""
        found = np.zeros(len(self.starts) - 1, np.int64)
        filled = np.flatnonzero(np.diff(self.starts))
        if len(filled):  # reduceat takes an empty slice for one word
            found[filled] = np.bitwise_or.reduceat(flags, self.starts[:-1][filled])
        return found


def running(values: NDArray[np.generic]) -> Ints:
    """(n + 1,) the sums of the first 0, 1, …, n values."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, dtype=np.int64, out=sums[1:])
    return sums


class _Numbers(dict[str, int]):
    """Numbers words as they come."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def number_words(split: Sequence[Sequence[str]]) -> Words:
    """The words of each document (any splitter's) as one `Words`."""
    starts = running(np.fromiter(map(len, split), np.int64, len(split)))
    numbers = _Numbers()
    ids = np.fromiter(map(numbers.__getitem__, chain.from_iterable(split)), np.int64, starts[-1])
    lengths = np.fromiter(map(len, numbers), np.int64, len(numbers))[ids]
    return Words(ids, starts, lengths, list(numbers))
