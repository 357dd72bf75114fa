"""Spikes are told from noise and from the steep start of a training."""

from __future__ import annotations

import random

from gptmill.training.guards import Spikes


def test_a_jump_counts_and_noise_does_not() -> None:
    spikes, noise = Spikes(), random.Random(0)
    assert not any(spikes.see(8.0 / (1 + step / 20) + noise.gauss(0, 0.05)) for step in range(300))
    assert spikes.see(5.0)
    assert spikes.count == 1


def test_state_goes_on() -> None:
    first, second = Spikes(), Spikes()
    for step in range(50):
        first.see(4.0 + step % 3 / 10)
    second.load_state_dict(first.state_dict())
    assert first.see(7.0) == second.see(7.0) is True
    assert first.state_dict() == second.state_dict()
