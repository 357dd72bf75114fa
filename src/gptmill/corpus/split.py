"""The split into train, validation and test: whole clusters of near-duplicates to one side.

A cluster's side follows from a hash of (seed, cluster id) alone, so a corpus that grows keeps its test
set: nothing that a model was tested on moves into a later training set. (A cluster changes its id, and
may change its side, when a longer document joins it.)
"""

from __future__ import annotations

import hashlib

import numpy as np

from gptmill.errors import UserError

SIDES = ["test", "validation", "train"]  # from the lowest hash up: the validation fraction moves no test


def position(seed: int, cluster: str) -> int:
    """A cluster's place on [0, 2^64): the same on any machine, uniform, and unlike at another seed."""
    digest = hashlib.blake2b(f"{seed} {cluster}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def split_clusters(
    clusters: list[str], seed: int, validation_fraction: float, test_fraction: float
) -> dict[str, str]:
    """The side of each cluster (distinct ids).

    Below `test_fraction` of the hash's range lies test, then validation, then train. In a corpus of a few
    dozen documents a side may get none that way; then the cluster nearest to it in the order of hashes
    goes there, because a small corpus with a validation set of one document is of more use than an error.
    Only such corpora pay, with a side that growth may change.

    Raises:
        UserError: with fewer clusters than sides.
    """
    n = len(clusters)
    if n < len(SIDES):
        raise UserError(
            f"dedupe: {n} distinct document(s) left, but train, validation and test need one each "
            f"(validation_fraction = {validation_fraction}, test_fraction = {test_fraction}). "
            "Give collect more text, or loosen clean.rules or raise dedupe.similarity if they dropped it; "
            "data/clean/dropped.parquet says what went and why."
        )
    placed = sorted((position(seed, cluster), cluster) for cluster in clusters)
    places = np.array([place for place, _ in placed], dtype=np.uint64) / 2.0**64
    test_end = int(np.clip(np.searchsorted(places, test_fraction), 1, n - 2))
    validation_end = int(
        np.clip(np.searchsorted(places, test_fraction + validation_fraction), test_end + 1, n - 1)
    )
    counts = [test_end, validation_end - test_end, n - validation_end]
    return {
        cluster: side for (_, cluster), side in zip(placed, np.repeat(SIDES, counts).tolist(), strict=True)
    }
