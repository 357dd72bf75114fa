"""Clusters of near-duplicates: connected components over verified pairs, and the document each keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BATCH = 1 << 18  # pairs: after each so many, those that became one set need no more comparing


class DisjointSets:
    """Union–find over 0 … n − 1 for arrays of pairs: a set is named by its smallest member."""

    def __init__(self, n: int) -> None:
        self.parent = np.arange(n)

    def find(self, x: Ints) -> Ints:
        """The smallest member of the set of each of `x`."""
        root = self.parent[x]
        while not np.array_equal(above := self.parent[root], root):
            root = above
        self.parent[x] = root  # compress the path
        return root

    def unite(self, pairs: Ints) -> None:
        """Make one set of the sets of each pair: (pairs, 2). The work grows with the pairs, not with n."""
        if not len(pairs):
            return
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        names, local = np.unique(self.find(pairs.ravel()), return_inverse=True)
        a, b = local.reshape(-1, 2).T
        graph = csr_array((np.ones(len(a), np.int8), (a, b)), shape=(len(names), len(names)))
        _, label = connected_components(graph, directed=False)
        _, smallest = np.unique(label, return_index=True)
        self.parent[names] = names[smallest][label]


def connect(sets: DisjointSets, pairs: Ints, alike: Callable[[Ints], NDArray[np.bool_]]) -> int:
    """Unite the pairs that `alike` confirms. A pair already united is not asked: it would change nothing.

    Returns:
        How many pairs were asked.
    """
    asked = 0
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        a, b = sets.find(batch.ravel()).reshape(-1, 2).T
        batch = batch[a != b]
        sets.unite(batch[alike(batch)])
        asked += len(batch)
    return asked


def keep_one(
    sets: DisjointSets, length: NDArray[np.signedinteger[Any]], quality: Sequence[NDArray[np.float64]] = ()
) -> Ints:
    """For each document the document kept of its cluster: the longest, then the best, then by id.

    The longest holds what the others hold and more. Among equals the one with the highest `quality`
    stays, its first figure before the second; then the smallest id, so that the order of files does not
    matter. Documents are numbered in the order of their ids; `length[i]` is the length of the i-th's text.
    """
    cluster = sets.find(np.arange(len(length)))
    kept = np.arange(len(length))
    sizes = np.bincount(cluster, minlength=len(length))
    shared = np.flatnonzero(sizes[cluster] > 1)
    keys = [shared, *(-figure[shared] for figure in reversed(quality)), -length[shared], cluster[shared]]
    order = shared[np.lexsort(keys)]
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))  # the first of each cluster, in order
    kept[cluster[order][starts]] = order[starts]
    return kept[cluster]
