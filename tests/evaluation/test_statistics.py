"""Scores by weights are scikit-learn's and scipy's; resampling is the bootstrap's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from gptmill.evaluation import statistics as ours
from gptmill.evaluation.statistics import CHUNK, ratio_interval

RNG = np.random.default_rng(0)
N = 300
TRUTH, GUESS = RNG.integers(0, 3, N), RNG.integers(0, 3, N)
GUESS = np.where(RNG.random(N) < 0.5, TRUTH, GUESS)
X = RNG.normal(size=N).round(1)  # with ties
Y = (X + RNG.normal(size=N)).round(1)
PAIRS = [
    (ours.accuracy(TRUTH, GUESS), lambda i: metrics.accuracy_score(TRUTH[i], GUESS[i])),
    (ours.f1(TRUTH, GUESS, 3), lambda i: metrics.f1_score(TRUTH[i], GUESS[i], average="macro")),
    (ours.f1(TRUTH, GUESS, 3, 2), lambda i: metrics.f1_score(TRUTH[i] == 2, GUESS[i] == 2)),
    (ours.matthews(TRUTH, GUESS, 3), lambda i: metrics.matthews_corrcoef(TRUTH[i], GUESS[i])),
    (ours.pearson(X, Y), lambda i: stats.pearsonr(X[i], Y[i]).statistic),
    (ours.spearman(X, Y), lambda i: stats.spearmanr(X[i], Y[i]).statistic),
    (ours.ratio(Y, X + 9), lambda i: Y[i].sum() / (X[i] + 9).sum()),
]


@pytest.mark.parametrize(("statistic", "reference"), PAIRS)
def test_scores_of_resamples_are_the_libraries(statistic, reference):
    drawn = [np.arange(N), *(RNG.integers(0, N, N) for _ in range(5))]
    weights = np.stack([np.bincount(rows, minlength=N) for rows in drawn]).astype(float)
    assert statistic(weights) == pytest.approx([reference(rows) for rows in drawn])


def test_constants_have_no_correlation():
    every, same = np.ones((1, N)), np.zeros(N, dtype=int)
    assert ours.matthews(TRUTH, same, 3)(every) == 0
    assert ours.pearson(X, np.full(N, 2.0))(every) == 0
    assert ours.spearman(X, np.full(N, 2.0))(every) == 0


def test_the_interval_is_scipys():
    values = RNG.exponential(size=400)
    low, high = ours.interval(ours.mean(values), 400, resamples=4000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile").confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert ours.interval(ours.mean(values), 400) == ours.interval(ours.mean(values), 400)


def test_intervals_cover_what_they_should():
    covered = 0
    for seed in range(200):
        sample = np.random.default_rng(seed).random(150) < 0.7
        low, high = ours.interval(ours.mean(sample.astype(float)), 150, resamples=300, seed=seed)
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 199


def test_pairing_sees_what_separate_intervals_do_not():
    hard = RNG.normal(size=500)
    first, second = hard + RNG.normal(scale=0.1, size=500) + 0.05, hard
    found = ours.compare(ours.mean(first), ours.mean(second), 500)
    assert found.difference == pytest.approx((first - second).mean())
    assert 0 < found.low < found.difference < found.high
    assert found.p < 0.01
    back = ours.compare(ours.mean(second), ours.mean(first), 500)
    assert (back.difference, back.low) == pytest.approx((-found.difference, -found.high))
    assert ours.interval(ours.mean(first), 500)[0] < second.mean()


def test_p_values_of_equals_are_large_and_rarely_small():
    same = ours.accuracy(TRUTH, GUESS)
    assert ours.compare(same, same, N).p == 1.0
    small = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=80), rng.normal(size=80)
        small += ours.compare(ours.mean(a), ours.mean(b), 80, resamples=300, seed=seed).p < 0.05
    assert small <= 12


def test_a_mean_s_interval_is_the_textbook_s() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 2.0, 400)
    found = ratio_interval(values, np.ones(400), 0.95, 4000, seed=0)
    assert found.estimate == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for seed in range(200):
        weights = rng.integers(1, 50, 100).astype(float)
        values = weights * rng.normal(0.5, 0.3, 100)
        found = ratio_interval(values, weights, 0.9, 300, seed)
        hits += found.low <= 0.5 <= found.high
    assert 165 <= hits <= 192  # 180 ± 3 standard errors, less what the percentile method is short of


def test_pairing_sees_what_two_intervals_would_not() -> None:
    rng = np.random.default_rng(3)
    hard = rng.gamma(2.0, 50.0, 300)  # documents differ a lot, the two models by a little on each
    better, worse = hard, hard + rng.normal(0.5, 0.5, 300)
    one, two = (ratio_interval(nats, np.ones(300), 0.95, 1000, 0) for nats in (better, worse))
    assert one.high > two.low, "apart they overlap"
    assert ratio_interval(worse - better, np.ones(300), 0.95, 1000, 0).low > 0.4


def test_the_same_for_the_same_seed_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    values, weights = np.arange(50.0), np.ones(50)
    whole = ratio_interval(values, weights, 0.95, 500, 7)
    monkeypatch.setattr("gptmill.evaluation.statistics.CHUNK", 400)
    assert CHUNK > 20_000
    assert ratio_interval(values, weights, 0.95, 500, 7) == whole
    assert ratio_interval(values, weights, 0.95, 500, 8) != whole


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 values"):
        ratio_interval(np.zeros(0), np.zeros(0), 0.95, 100, 0)
