"""Steps from steps, tokens, epochs or minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.pretrain import Pretrain
from gptmill.params.recipes import settle
from gptmill.training.length import total_steps

PARAMS: dict[str, Any] = {
    "model": {"preset": "modern", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16},
    "optimizer": {"weight_decay": 0.01, "beta1": 0.9, "beta2": 0.99, "grad_clip": 1.0},
    "batch_size": 8,
    "max_steps": 60,
    "eval_every": 25,
    "eval_tokens": 200,
    "log_every": 7,
    "accelerator": "cpu",
    "devices": 1,
    "precision": "fp32",
}


def steps(tmp_path: Path, **changes: Any) -> int:
    params = Pretrain.model_validate(PARAMS | {"max_steps": None} | changes)
    return total_steps(params, 100, measured=tmp_path / "steps.json", seconds_per_step=lambda: 0.5)


def test_lengths(tmp_path: Path) -> None:
    assert steps(tmp_path, max_tokens=1000) == 7  # 8 sequences of 16 tokens a step
    assert steps(tmp_path, max_epochs=1.0) == 13  # 100 windows, 8 a step
    assert steps(tmp_path, max_minutes=1.0) == 120
    with pytest.raises(UserError, match="max_tokens = 100 is less than one step of 8 x 16 tokens"):
        steps(tmp_path, max_tokens=100)
    (tmp_path / "steps.json").unlink()
    with pytest.raises(UserError, match="max_minutes is measured in one process"):
        steps(tmp_path, max_minutes=1.0, devices=2)


def test_minutes_are_not_measured_for_several_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    with pytest.raises(UserError, match=r"this training has 4 \(pretrain.devices = auto\)"):
        steps(tmp_path, max_minutes=1.0, devices="auto", accelerator="auto")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 5}, "max_steps = 60 and max_tokens = 5 set; set one of"),
        ({"max_steps": None}, "none of them set; set one of"),
        ({"batch_tokens": 64}, "set one of them, and the other to null"),
        (
            {"batch_size": None, "batch_tokens": 40},
            "no multiple of model.block_size = 16; near it are 32 and 48",
        ),
        ({"optimizer": PARAMS["optimizer"] | {"name": "adamw", "matrix_learning_rate": 0.1}}, "is Muon's"),
    ],
)
def test_impossible_parameters(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(Pretrain, PARAMS | changes, "params.yaml: pretrain")


def test_auto_is_what_suits_the_preset() -> None:
    params = Pretrain.model_validate(PARAMS)
    optimizer, sizes = params.optimizer, params.model
    gpt1, gpt2 = (sizes.model_copy(update={"preset": preset}) for preset in ("gpt1", "gpt2"))
    modern, gpt1 = settle(optimizer, sizes, 700), settle(optimizer, gpt1, 700)
    assert (modern.name, modern.schedule) == ("muon", "wsd")
    assert (gpt1.name, gpt1.learning_rate, gpt1.warmup_steps, gpt1.schedule) == ("adamw", 1e-3, 140, "cosine")
    with_muon = settle(optimizer.model_copy(update={"name": "muon"}), gpt2, 700)
    assert with_muon.matrix_learning_rate == modern.matrix_learning_rate


def test_a_depth_brings_its_batch_and_rate() -> None:
    model = {"preset": "gpt2", "depth": 12, "block_size": 1024}
    params = Pretrain.model_validate(PARAMS | {"model": model, "batch_size": None})
    assert params.sequences == 512
    assert settle(params.optimizer, params.model, 700).learning_rate == pytest.approx(6e-4)
