"""The statistics: the distance by brute force, the rate of false alarms as stated, and what is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gptmill.monitor.drift import Limits, deal, distances, energy_test, holm, signal_results

RNG = np.random.default_rng(1)


def test_the_distance_is_the_energy_distance() -> None:
    one, other = RNG.normal(size=(9, 3)), RNG.normal(size=(7, 3)) + 1
    across = np.mean([[np.linalg.norm(x - y) for y in other] for x in one])
    within = [
        sum(np.linalg.norm(x - y) for x in side for y in side) / (len(side) * (len(side) - 1))
        for side in (one, other)
    ]
    expected = (2 * across - sum(within)) / (2 * across)
    assert energy_test(one, other, deal(len(one), len(other), 1))[0] == pytest.approx(expected)
    assert distances(one) == pytest.approx(np.array([[np.linalg.norm(x - y) for y in one] for x in one]))


def test_with_many_units_it_is_scipys() -> None:
    """SciPy's is the root of the same, with each unit compared with itself, too: half the distance of
    distributions in one dimension (Székely's squared, halved)."""
    one, other = RNG.normal(size=800), RNG.normal(size=800) + 1
    across = np.abs(one[:, None] - other).mean()
    ours = energy_test(one, other, deal(len(one), len(other), 1))[0] * 2 * across
    assert ours == pytest.approx(stats.energy_distance(one, other) ** 2, abs=0.01)


def test_false_alarms_are_as_rare_as_stated() -> None:
    """400 batches like the corpus, two signals each: 5 % may alarm, and at 5 % + 3 standard errors we fail."""
    limits = Limits(alpha=0.05, distance=0.0, permutations=99)
    alarms = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        sides = [{"number": rng.lognormal(size=n), "vector": rng.normal(size=(n, 4)) ** 3} for n in (14, 9)]
        alarms += any(result.drifted for result in signal_results(*sides, limits, seed).values())
    assert alarms <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5
    assert alarms > 0, "a test that never alarms tests nothing"


def test_a_shift_is_found_and_a_small_one_does_not_matter() -> None:
    old, new = RNG.normal(size=400), RNG.normal(size=400)
    limits = Limits()
    results = signal_results(
        {"same": old, "far": old, "near": old}, {"same": new, "far": new + 1, "near": new + 0.35}, limits
    )
    assert [name for name, result in results.items() if result.drifted] == ["far"]
    assert results["near"].adjusted <= limits.alpha, "real, but little"


def test_shares_of_languages() -> None:
    dealt = deal(60, 40, 199)
    english, mixed = np.tile([1.0, 0.0], (60, 1)), np.tile([1.0, 0.0], (40, 1))
    assert energy_test(english, mixed, dealt) == (0.0, 1.0)
    mixed[:15] = [0.0, 1.0]
    distance, p = energy_test(english, mixed, dealt)
    assert distance > 0.1
    assert p == pytest.approx(1 / 200)


def test_holm() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({"a": 0.8, "b": 0.9}) == {"a": 1.0, "b": 1.0}
