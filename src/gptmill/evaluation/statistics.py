"""Bootstrap intervals and paired comparisons, vectorised over the resamples.

A bootstrap resample is a weight for each example: how often it was drawn. Every score here is written
as a function of such weights `(resamples, n)`, so that a thousand resamples are a few matrix products.
Percentile intervals (Efron & Tibshirani 1993, chapter 13). The generator is fixed: same examples, same
interval. The unit that is drawn is the document, or the example of a task, never the token: tokens of one
document are alike, and drawing them apart would give intervals several times too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Statistic = Callable[[Array], Array]  # weights (resamples, n) → a score for each resample
CHUNK = 4_000_000  # weights held at once


@dataclass(frozen=True)
class Interval:
    """A figure and the percentile interval around it."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One model against another on the same examples: `difference` is the first's score minus the second's."""

    difference: float
    low: float  # interval of the difference, of 95 % unless asked otherwise
    high: float
    p: float  # two-sided: how often a resample's difference falls on or beyond zero


def interval(
    statistic: Statistic, n: int, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a score over `n` examples; resamples where it isn't defined are left out."""
    scores = np.concatenate([statistic(weights) for weights in _weights(n, resamples, seed)])
    return _percentiles(scores, confidence)


def ratio_interval(values: Array, weights: Array, confidence: float, resamples: int, seed: int) -> Interval:
    """The interval of `sum(values) / sum(weights)` over units drawn with replacement.

    For a difference of two models on the same units, `values` are the differences of each unit: the paired
    bootstrap, in which what makes a unit hard for both cancels out (Koehn 2004, "Statistical Significance
    Tests for Machine Translation Evaluation").

    Args:
        values: `(n,)`, such as bits lost on each document.
        weights: `(n,)`, such as bytes of each document; ones for a mean.
        confidence: such as 0.95.

    Raises:
        ValueError: without a unit, or with lengths that differ.
    """
    if not len(values) or len(values) != len(weights):
        raise ValueError(f"{len(values)} values and {len(weights)} weights")
    drawn = ratio(values, weights)
    low, high = interval(drawn, len(values), resamples=resamples, seed=seed, confidence=confidence)
    return Interval(float(values.sum() / weights.sum()), low, high)


def compare(
    ours: Statistic,
    theirs: Statistic,
    n: int,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Paired bootstrap of two models' scores on the same `n` examples: what makes one hard for both cancels out.

    The p value is twice the share of resamples in which the difference has the other sign or is zero,
    counting the sample itself (Davison & Hinkley 1997, section 4.2), and at most 1.
    """
    every = np.ones((1, n))
    difference = float((ours(every) - theirs(every))[0])
    drawn = np.concatenate([ours(weights) - theirs(weights) for weights in _weights(n, resamples, seed)])
    low, high = _percentiles(drawn, confidence)
    drawn = drawn[np.isfinite(drawn)]
    tail = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return Comparison(difference, low, high, min(1.0, 2 * (int(tail) + 1) / (len(drawn) + 1)))


def _weights(n: int, resamples: int, seed: int) -> Iterator[Array]:
    """Chunks `(some resamples, n)` of how often each example is drawn."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _percentiles(scores: Array, confidence: float = 0.95) -> tuple[float, float]:
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return float(low), float(high)


def mean(values: Array) -> Statistic:
    """The mean of a value an example."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def ratio(numerators: Array, denominators: Array) -> Statistic:
    """A sum over a sum, such as nats of all documents over their bytes."""
    return lambda weights: (weights @ numerators) / (weights @ denominators)


def accuracy(truth: Array, predicted: Array) -> Statistic:
    return mean((truth == predicted).astype(np.float64))


def f1(truth: Array, predicted: Array, n_classes: int, positive: int | None = None) -> Statistic:
    """F1 of the class `positive`; without one, the mean over the classes. 0 where a class never occurs."""

    def score(weights: Array) -> Array:
        cells = _confusion(weights, truth, predicted, n_classes)
        right = np.diagonal(cells, axis1=1, axis2=2)
        claimed = cells.sum(axis=1) + cells.sum(axis=2)
        each = np.divide(2 * right, claimed, out=np.zeros_like(right), where=claimed > 0)
        chosen: Array = each.mean(axis=1) if positive is None else each[:, positive]
        return chosen

    return score


def matthews(truth: Array, predicted: Array, n_classes: int) -> Statistic:
    """Matthews correlation for any number of classes (Gorodkin 2004); 0 where one side is constant."""

    def score(weights: Array) -> Array:
        cells = _confusion(weights, truth, predicted, n_classes)
        total, right = cells.sum(axis=(1, 2)), np.trace(cells, axis1=1, axis2=2)
        true, claimed = cells.sum(axis=2), cells.sum(axis=1)
        covariance = right * total - (true * claimed).sum(axis=1)
        spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (claimed**2).sum(axis=1))
        return _divide(covariance, np.sqrt(spread))

    return score


def pearson(truth: Array, predicted: Array) -> Statistic:
    """Pearson's correlation; 0 where one side is constant."""
    x, y = truth - truth.mean(), predicted - predicted.mean()

    def score(weights: Array) -> Array:
        total = weights.sum(axis=1)
        sum_x, sum_y = weights @ x, weights @ y
        covariance = total * (weights @ (x * y)) - sum_x * sum_y
        spread = (total * (weights @ x**2) - sum_x**2) * (total * (weights @ y**2) - sum_y**2)
        return _divide(covariance, np.sqrt(np.maximum(spread, 0.0)))

    return score


def spearman(truth: Array, predicted: Array) -> Statistic:
    """Pearson's correlation of the ranks, ties at their mean rank, ranked anew in each resample."""

    def score(weights: Array) -> Array:
        x, y = _ranks(truth, weights), _ranks(predicted, weights)
        total = weights.sum(axis=1, keepdims=True)
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
        covariance = (weights * x * y).sum(axis=1)
        spread = (weights * x**2).sum(axis=1) * (weights * y**2).sum(axis=1)
        return _divide(covariance, np.sqrt(spread))

    return score


def _ranks(values: Array, weights: Array) -> Array:
    """Mean rank `(resamples, n)` of each value in the multiset that the weights stand for."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(counts, axis=1) - (counts - 1) / 2
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group]
    return ranks


def _confusion(weights: Array, truth: Array, predicted: Array, n_classes: int) -> Array:
    """Counts `(resamples, true class, predicted class)`."""
    cell = np.zeros((len(truth), n_classes * n_classes))
    cell[np.arange(len(truth)), truth * n_classes + predicted] = 1.0
    return (weights @ cell).reshape(-1, n_classes, n_classes)


def _divide(numerator: Array, denominator: Array) -> Array:
    """0 where the denominator is (nearly) 0: a constant has no correlation with anything."""
    fine = denominator > 1e-12
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=fine)
