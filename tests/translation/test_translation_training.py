"""Training: the recipe's parts, the same bits twice, and after a kill."""

from __future__ import annotations

import csv
import math
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny_translation import SYSTEMS, outs, run, start, tiny

from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.params.translate import RNNSearchSystem
from gptmill.translation.batches import NO_LOSS
from gptmill.translation.loss import token_loss
from gptmill.translation.training import factor


def recipe(schedule: str, warmup_steps: int = 10) -> RNNSearchSystem:
    return RNNSearchSystem.model_validate(
        {
            "n_embd": 8,
            "learning_rate": 1.0,
            "warmup_steps": warmup_steps,
            "schedule": schedule,
            "max_steps": 100,
        }
    )


def test_inverse_square_root_is_that_of_the_paper() -> None:
    """lrate = d^-0.5 · min(step^-0.5, step · warmup^-1.5), at its peak 1 here (Vaswani et al., section 5.3)."""
    peak = 10**-0.5
    for step in (1, 5, 10, 11, 40, 100):
        paper = min(step**-0.5, step * 10**-1.5) / peak
        assert factor(recipe("inverse_sqrt"), step - 1) == pytest.approx(paper)


def test_linear_ends_at_zero_and_constant_stays() -> None:
    linear, constant = recipe("linear"), recipe("constant")
    assert factor(linear, 0) == pytest.approx(0.1)
    assert factor(linear, 10) == pytest.approx(1.0)
    assert factor(linear, 99) == pytest.approx(1 / 90)
    assert factor(linear, 100) == 0.0
    assert factor(constant, 99) == 1.0
    assert factor(recipe("linear", warmup_steps=0), 0) == 1.0


def test_label_smoothing_spreads_a_share_over_the_vocabulary() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 5), torch.tensor([[1, 4, NO_LOSS], [0, NO_LOSS, NO_LOSS]])
    chances = F.log_softmax(logits, dim=2)
    nats = []
    for row, place in ((0, 0), (0, 1), (1, 0)):
        one = -chances[row, place]
        nats.append(0.9 * one[labels[row, place]] + 0.1 * one.mean())
    assert token_loss(logits, labels, 0.1).item() == pytest.approx(float(sum(nats)) / 3, rel=1e-5)


def test_warm_up_as_long_as_the_training() -> None:
    with pytest.raises(ValueError, match="warmup_steps = 100 leaves no step to train"):
        recipe("linear", warmup_steps=100)


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_learns(system: str, trained: Path) -> None:
    reports = trained / "reports/translate" / system
    metrics = read_json(reports / "metrics.json")
    with (reports / "train.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert metrics["train_loss"] == losses[-1] < losses[0] - 0.1
    assert metrics["steps"] == 30


@pytest.mark.parametrize("system", ["rnnsearch"])
def test_twice_the_same_bits(system: str, trained: Path, pairs: Path, tmp_path: Path) -> None:
    assert run(system, pairs, tmp_path) == outs(trained / "runs" / system)


@pytest.mark.parametrize("system", ["seq2seq", "transformer"])
def test_killed_and_resumed_ends_with_the_same_bits(
    system: str, trained: Path, pairs: Path, tmp_path: Path
) -> None:
    process = start(system, pairs, tmp_path, wait=1.0)
    assert process.stdout is not None
    before = ""
    for line in process.stdout:
        before += line
        if line.startswith("observed 14"):  # there is a checkpoint of step 10
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -9, before
    assert not (tmp_path / "model/model.safetensors").exists()
    assert run(system, pairs, tmp_path) == outs(trained / "runs" / system)


def test_a_loss_that_is_not_finite(pairs: Path, tmp_path: Path) -> None:
    raw = tiny().systems.model_dump()
    raw["seq2seq"]["learning_rate"] = 1e30
    params = tiny(systems=raw, training={"grad_clip": 0.0})
    with pytest.raises(UserError, match=r"seq2seq: the training loss is (nan|inf) at step \d+"):
        run("seq2seq", pairs, tmp_path, params)
    assert math.isfinite(params.systems.seq2seq.learning_rate)


def test_a_metric_whose_package_is_missing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu", None)
    with pytest.raises(UserError, match=r"pip install gptmill\[translation\]"):
        run("seq2seq", pairs, tmp_path, tiny(evaluate={"metrics": ["exact", "bleu"]}))
    assert not list(tmp_path.rglob("*.ckpt"))
