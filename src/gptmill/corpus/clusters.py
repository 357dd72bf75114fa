"""Clusters of near-duplicates: connected components over verified pairs, and the document each keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class DisjointSets:
    """Union–find over 0 … n − 1 (Tarjan 1975): a set is named by its smallest member."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def find(self, x: int) -> int:
        """The smallest member of x's set."""
        parent = self.parent
        while parent[x] != x:
            parent[x] = x = parent[parent[x]]  # halve the path
        return x

    def union(self, a: int, b: int) -> None:
        """Make one set of the sets of a and b."""
        a, b = self.find(a), self.find(b)
        self.parent[max(a, b)] = min(a, b)


def connect(sets: DisjointSets, pairs: Iterable[tuple[int, int]], alike: Callable[[int, int], bool]) -> None:
    """Unite each pair that `alike` confirms. A pair already united is not asked: it would change nothing."""
    for a, b in pairs:
        if sets.find(a) != sets.find(b) and alike(a, b):
            sets.union(a, b)


def keep_one(sets: DisjointSets, length: Ints) -> Ints:
    """For each document the document kept of its cluster: the longest text, among equals the smallest id.

    Documents are numbered in the order of their ids, `length[i]` is the length of the i-th's text.
    The longest holds what the others hold and more; which of two equals stays must only not depend on
    the order of files.
    """
    cluster = np.array([sets.find(i) for i in range(len(length))], dtype=np.int64)
    order = np.lexsort((np.arange(len(length)), -length, cluster))
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))  # the first of each cluster, in order
    kept = np.empty(len(length), np.int64)
    kept[cluster[order][starts]] = order[starts]
    return kept[cluster]
