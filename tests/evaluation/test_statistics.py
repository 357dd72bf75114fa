"""The bootstrap: its intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from gptmill.evaluation.statistics import CELLS, ratio_interval


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
    monkeypatch.setattr("gptmill.evaluation.statistics.CELLS", 400)
    assert CELLS > 400
    assert ratio_interval(values, weights, 0.95, 500, 7) == whole
    assert ratio_interval(values, weights, 0.95, 500, 8) != whole


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 values"):
        ratio_interval(np.zeros(0), np.zeros(0), 0.95, 100, 0)
