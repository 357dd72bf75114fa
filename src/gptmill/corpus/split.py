"""The split into train, validation and test: whole clusters of near-duplicates to one side.

A cluster's side follows from a hash of (seed, cluster id) alone, so a corpus that grows keeps its test
set: nothing that a model was tested on moves into a later training set. (A cluster changes its id, and
may change its side, when a longer document joins it.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gptmill.errors import UserError

SIDES = ["test", "validation", "train"]  # from the lowest hash up: the validation fraction moves no test


def position(seed: int, cluster: str) -> int:
    """A cluster's place on [0, 2^64): the same on any machine, uniform, and unlike at another seed."""
    digest = hashlib.blake2b(f"{seed} {cluster}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def split_clusters(
    clusters: Iterable[str], n: int, seed: int, validation_fraction: float, test_fraction: float
) -> NDArray[np.int8]:
    """The side of each of `n` clusters (distinct ids), as its place in `SIDES`: (clusters,).

    Below `test_fraction` of the hash's range lies test, then validation, then train. In a corpus of a few
    dozen documents a side may get none that way; then the cluster nearest to it in the order of hashes
    goes there, because a small corpus with a validation set of one document is of more use than an error.
    Only such corpora pay, with a side that growth may change.

    Raises:
        UserError: with fewer clusters than sides.
    """
    if n < len(SIDES):
        raise UserError(
            f"dedupe: {n} distinct document(s) left, but train, validation and test need one each "
            f"(validation_fraction = {validation_fraction}, test_fraction = {test_fraction}). "
            "Give collect more text, or loosen clean.rules or raise dedupe.similarity if they dropped it; "
            "data/clean/dropped.parquet says what went and why."
        )
    positions = np.fromiter((position(seed, cluster) for cluster in clusters), np.uint64, n)
    order = np.argsort(positions, kind="stable")
    places = positions[order] / 2.0**64
    test_end = int(np.clip(np.searchsorted(places, test_fraction), 1, n - 2))
    validation_end = int(
        np.clip(np.searchsorted(places, test_fraction + validation_fraction), test_end + 1, n - 1)
    )
    sides = np.empty(n, np.int8)
    sides[order] = np.repeat(np.arange(len(SIDES)), [test_end, validation_end - test_end, n - validation_end])
    return sides
