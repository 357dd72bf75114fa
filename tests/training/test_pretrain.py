"""Training learns, repeats to the bit, and goes on to the bit after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptmill.errors import UserError
from gptmill.outs import read_json, write_json
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain

PARAMS: dict[str, Any] = {
    # Dropout draws random numbers at each step: what a resume must get right.
    "model": {"preset": "gpt1", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.1},
    "optimizer": {
        "learning_rate": 3e-3,
        "warmup_steps": 5,
        "weight_decay": 0.01,
        "beta1": 0.9,
        "beta2": 0.99,
        "grad_clip": 1.0,
    },
    "batch_size": 8,
    "max_steps": 60,
    "eval_every": 25,
    "eval_tokens": 200,
    "checkpoint_every": 10,
    "log_every": 7,
    "accelerator": "cpu",
    "devices": 1,
    "precision": "fp32",
}

RUN = """
import json, sys, time
from pathlib import Path
from gptmill.errors import run
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain

def observe(metrics, step):
    if "train_loss" in metrics:
        print("observed", step, flush=True)
        time.sleep(float(sys.argv[3]))

def main():
    tokens, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    params = Pretrain.model_validate(json.loads(sys.argv[4]))
    pretrain(params, 3, tokens, out / "model", out / "reports", out / "resume", observe)

run(main)
"""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language that is easy to learn: each token is followed by the next one, with some noise."""
    folder = tmp_path_factory.mktemp("tokens")
    rng = np.random.default_rng(0)
    for split, length in (("train", 6000), ("validation", 700)):
        steps = 1 + (rng.random(length) < 0.1)
        (2 + np.cumsum(steps) % 40).astype("<u2").tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    write_json(folder / "meta.json", {"vocab_size": 42, "eos_id": 1, "dtype": "<u2", "splits": splits})
    return folder


def start(
    tokens: Path, out: Path, wait: float = 0.0, params: dict[str, Any] = PARAMS
) -> subprocess.Popen[str]:
    script = out / "run.py"  # a file: Lightning starts it again for each further device
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tokens), str(out), str(wait), json.dumps(params)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def outs(out: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for part in ("model", "reports")
        for path in sorted((out / part).iterdir())
    }


def steps(path: Path) -> list[str]:
    return [row.split(",")[0] for row in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    process = start(tokens, out)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0, text
    return out


def test_learns_more_than_frequencies(whole: Path) -> None:
    metrics = read_json(whole / "reports/metrics.json")
    assert metrics["val_loss"] < metrics["unigram_loss"] - 0.2
    assert metrics["tokens"] == 60 * 8 * 16
    assert steps(whole / "reports/validation.csv") == ["step", "25", "50", "60"]
    assert steps(whole / "reports/train.csv") == ["step", *map(str, range(7, 60, 7)), "60"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_killed_and_resumed_ends_with_the_same_bits(
    tokens: Path, whole: Path, tmp_path: Path, number: int, code: int
) -> None:
    process = start(tokens, tmp_path, wait=0.5)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("observed 21"):
            break
    time.sleep(0.1)
    os.kill(process.pid, number)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == code, text
    assert not (tmp_path / "model/model.safetensors").exists()
    assert list((tmp_path / "resume").glob("*/step-*.ckpt"))

    again = start(tokens, tmp_path)
    text = again.communicate(timeout=120)[0]
    assert again.returncode == 0, text
    assert "going on from" in text
    assert outs(tmp_path) == outs(whole)


def ignore(_metrics: dict[str, float], _step: int) -> None:
    """An observer that looks away."""


def test_divergence_is_an_error_and_not_a_model(tokens: Path, tmp_path: Path) -> None:
    wild = PARAMS | {"optimizer": PARAMS["optimizer"] | {"learning_rate": 1e30, "grad_clip": 0.0}}
    with pytest.raises(UserError, match=r"the (training loss|gradient's norm) is (nan|inf) at step \d+.*learning_rate"):
        pretrain(Pretrain.model_validate(wild), 3, tokens, tmp_path, tmp_path, tmp_path / "r", ignore)
    assert not (tmp_path / "model.safetensors").exists()


def test_two_devices_give_the_curve_of_one(tokens: Path, tmp_path: Path) -> None:
    """Two processes over gloo share each batch; without dropout only rounding differs."""
    still = PARAMS | {"model": PARAMS["model"] | {"dropout": 0.0}}
    for devices in (1, 2):
        process = start(tokens, tmp_path / str(devices), params=still | {"devices": devices})
        text = process.communicate(timeout=200)[0]
        assert process.returncode == 0, text
    one, two = (np.loadtxt(tmp_path / n / "reports/train.csv", delimiter=",", skiprows=1) for n in "12")
    np.testing.assert_allclose(one, two, rtol=1e-4)
    one, two = (np.loadtxt(tmp_path / n / "reports/validation.csv", delimiter=",", skiprows=1) for n in "12")
    np.testing.assert_allclose(one, two, rtol=1e-4)
