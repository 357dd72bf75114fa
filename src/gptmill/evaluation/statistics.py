"""Intervals by the bootstrap: how sure a figure, or the difference of two, is.

The unit that is drawn again is the document (or the example of a task), never the token: tokens of one
document are alike, and drawing them apart would give intervals several times too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]

CELLS = 1 << 22  # of the table of draws in memory at a time: 32 MB


@dataclass(frozen=True)
class Interval:
    """A figure and the percentile interval around it."""

    estimate: float
    low: float
    high: float


def ratio_interval(values: Vector, weights: Vector, confidence: float, resamples: int, seed: int) -> Interval:
    """The interval of `sum(values) / sum(weights)` over units drawn with replacement.

    For a difference of two models on the same units, `values` are the differences of each unit: the paired
    bootstrap, in which what makes a unit hard for both cancels out (Koehn 2004, "Statistical Significance
    Tests for Machine Translation Evaluation"; Efron and Tibshirani 1993, chapter 13).

    Args:
        values: `(n,)`, such as bits lost on each document.
        weights: `(n,)`, such as bytes of each document; ones for a mean.
        confidence: such as 0.95.

    Raises:
        ValueError: without a unit, or with lengths that differ.
    """
    if not len(values) or len(values) != len(weights):
        raise ValueError(f"{len(values)} values and {len(weights)} weights")
    n = len(values)
    rng = np.random.default_rng(seed)
    both = np.stack((values, weights), axis=1)
    sums = []
    for start in range(0, resamples, step := max(1, CELLS // n)):
        draws = rng.multinomial(n, np.full(n, 1 / n), size=min(step, resamples - start))
        sums.append(draws @ both)
    drawn = np.concatenate(sums)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    return Interval(float(values.sum() / weights.sum()), float(low), float(high))
