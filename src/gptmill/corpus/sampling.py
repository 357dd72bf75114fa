"""How much of a source is taken: a sample, or as many documents or bytes as a cap allows.

Every document has a place on [0, 2^64), a hash of (seed, id), and every source a limit: it takes the
documents placed below. A sample is a limit, and a cap is the limit that leaves the right number below it;
so what is taken depends neither on the order of files nor on how they are cut, a larger sample holds the
smaller ones, and a text that one source leaves out is still taken from the next that has it.

There is no `weight`: to see documents twice is training's affair (here, dedupe would take the second away),
and to see fewer of a source is `sample`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptmill.params.collect import Source

ALL = 1 << 64
Places = NDArray[np.uint64]


class Limit(NamedTuple):
    """A source takes the documents placed below `end`; of the others those below `sampled` fall to `cap`."""

    end: int
    sampled: int
    cap: str = ""


def places(ids: Sequence[str], seed: int) -> Places:
    """The place of each document: uniform, the same on any machine, unlike at another seed."""
    start = hashlib.blake2b(f"{seed} ".encode(), digest_size=8)
    digests = bytearray()
    for name in ids:
        hashed = start.copy()
        hashed.update(name.encode())
        digests += hashed.digest()
    return np.frombuffer(bytes(digests), "<u8").astype(np.uint64)


def is_capped(source: Source) -> bool:
    """Must all documents be known before it is known which of them the source gives?"""
    return source.max_documents is not None or source.max_bytes is not None


def sample_limit(source: Source) -> Limit:
    """The limit that `sample` alone sets."""
    end = int(source.sample * ALL)
    return Limit(end, end)


def find_limits(
    sources: Sequence[Source], rank: NDArray[np.int32], place: Places, size: NDArray[np.int64]
) -> list[Limit]:
    """The limit of each source. Of equal texts the first source takes one, so they count there alone.

    Args:
        rank: for each text read, the number of its source, (texts,).
        place: where it is, (texts,). Two documents of one place count as one: of 100 million about one in
            3,000 corpora has such a pair, and then holds a document more than its cap.
        size: its bytes in UTF-8, (texts,).
    """
    limits = []
    taken = np.array([], np.uint64)
    for number, source in enumerate(sources):
        here, first = np.unique(place[rank == number], return_index=True)
        sampled = sample_limit(source)
        free = below(here, sampled.end) & ~np.isin(here, taken, assume_unique=True)
        candidates, sizes = here[free], size[rank == number][first][free]
        allowed = {"": len(candidates)}
        if source.max_documents is not None:
            allowed["max_documents"] = source.max_documents
        if source.max_bytes is not None:
            allowed["max_bytes"] = int(np.searchsorted(np.cumsum(sizes), source.max_bytes, side="right"))
        cap = min(allowed, key=allowed.__getitem__)
        limit = Limit(int(candidates[allowed[cap]]), sampled.end, cap) if cap else sampled
        limits.append(limit)
        taken = np.union1d(taken, here[below(here, limit.end)])
    return limits


def below(place: Places, end: int) -> NDArray[np.bool_]:
    """Which places are below `end`."""
    return place < np.uint64(end) if end < ALL else np.ones(len(place), bool)
