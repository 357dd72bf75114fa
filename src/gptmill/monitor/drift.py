"""Two samples of units, one signal at a time: is their distance more than chance, and large enough to matter?

The distance is the energy distance (Székely & Rizzo 2013, "Energy statistics", J. Stat. Plan. Inference 143):
twice the mean distance across the samples, less the mean distances within each. It is zero only for
equal distributions, works for numbers, shares and vectors alike, and here stands as a share of its first
term: 0 for equal distributions, at most 1. Its p value is found by permutation, so that the rate of false
alarms is what is stated whatever the distribution; several signals are judged together by Holm's method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
MIN_UNITS = 8  # a side: with fewer, chance alone makes samples look different


@dataclass(frozen=True)
class Limits:
    """What counts as drift: a signal whose adjusted p is at most `alpha` and whose distance is `distance`."""

    alpha: float = 0.01  # chance that a batch like the corpus raises an alarm, all signals together
    distance: float = 0.02
    permutations: int = 1999


@dataclass(frozen=True)
class Result:
    """One signal's test."""

    distance: float  # 0 (equal) to 1; an unbiased estimate, so chance makes it negative as often
    p: float
    adjusted: float  # p after Holm's correction for the number of signals
    drifted: bool


def signal_results(
    reference: Mapping[str, Array], batch: Mapping[str, Array], limits: Limits, seed: int = 0
) -> dict[str, Result]:
    """Signal → its result.

    Args:
        reference, batch: signal → `(units,)` or `(units, features)`, the same signals in both.
    """
    sizes = [len(next(iter(side.values()))) for side in (reference, batch)]
    dealt = deal(sizes[0], sizes[1], limits.permutations, seed)
    found = {name: energy_test(reference[name], batch[name], dealt) for name in reference}
    adjusted = holm({name: p for name, (_, p) in found.items()})
    return {
        name: Result(
            distance, p, adjusted[name], adjusted[name] <= limits.alpha and distance >= limits.distance
        )
        for name, (distance, p) in found.items()
    }


def deal(n: int, m: int, permutations: int, seed: int = 0) -> Array:
    """Which of `n + m` units are called new, `(1 + permutations, n + m)`: the last `m`, then any `m` of them."""
    rng = np.random.default_rng(seed)
    new = np.zeros((permutations + 1, n + m))
    new[0, n:] = 1.0
    for row in new[1:]:
        row[rng.permutation(n + m)[:m]] = 1.0
    return new


def energy_test(one: Array, other: Array, new: Array) -> tuple[float, float]:
    """The distance between two samples, and how often chance alone gives as much.

    Args:
        one: `(n,)` or `(n, features)`.
        other: `(m,)` or `(m, features)`.
        new: of `deal(n, m, …)`.

    Raises:
        ValueError: with fewer than two units in a sample.
    """
    n, m = len(one), len(other)
    if min(n, m) < 2:
        raise ValueError(f"{n} and {m} units")
    between = distances(np.concatenate([one, other]))
    to_all, total = between.sum(axis=1), between.sum()
    within_new = np.einsum("ij,ij->i", new @ between, new)
    across = new @ to_all - within_new
    within_old = total - 2 * across - within_new
    across, within_old, within_new = (
        across / (n * m),
        within_old / (n * (n - 1)),
        within_new / (m * (m - 1)),
    )
    energy = 2 * across - within_old - within_new
    if across[0] <= 0:  # all units are the same
        return 0.0, 1.0
    p = (1 + np.count_nonzero(energy[1:] >= energy[0] - 1e-12)) / len(new)
    return float(energy[0] / (2 * across[0])), float(p)


def distances(points: Array) -> Array:
    """Euclidean distances `(n, n)` between the rows of `points`."""
    rows = np.asarray(points, np.float64).reshape(len(points), -1)
    if rows.shape[1] == 1:
        return np.asarray(np.abs(rows - rows.T))
    squares = (rows**2).sum(axis=1)
    between: Array = np.sqrt(np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0))
    np.fill_diagonal(between, 0.0)
    return between


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values such that a limit on them is one on the chance of any false alarm (Holm 1979)."""
    adjusted, highest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda name: p[name])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p}
