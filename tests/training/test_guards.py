"""Spikes are told from noise and from the steep start of a training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gptmill.outs import read_json
from gptmill.training.guards import Spikes, diverged


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


def test_only_the_first_process_writes_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "not-finite-00000007.json"
    for rank in ("1", "0"):
        assert not path.exists()
        monkeypatch.setenv("RANK", rank)
        error = diverged("training loss", float("nan"), 7, 0.1, ["a", "b"], tmp_path, None)
        assert str(path) in str(error)
    assert read_json(path)["documents"] == ["a", "b"]
