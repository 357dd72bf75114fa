"""A training that takes a second, in this process or in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gptmill.outs import read_json
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain
from gptmill.training.recording import Observe

PARAMS: dict[str, Any] = {
    # Dropout draws random numbers at each step: what a resume must get right.
    "model": {"preset": "modern", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.1},
    "optimizer": {
        "learning_rate": 1e-2,
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

UNHURRIED = PARAMS["optimizer"] | {"warmup_steps": 0}

RUN = """
import json, sys, time
from pathlib import Path
from gptmill.errors import run
from gptmill.outs import is_first_process
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain

def observe(metrics, step):
    if "train_loss" in metrics and is_first_process():
        print("observed", step, flush=True)
        time.sleep(float(sys.argv[3]))

def main():
    tokens, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    params = Pretrain.model_validate(json.loads(sys.argv[4]))
    pretrain(params, 3, tokens, out / "model", out / "reports", out / "speed", out / "resume", observe)

run(main)
"""


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


def ignore(_metrics: dict[str, float], _step: int) -> None:
    """An observer that looks away."""


def train(tokens: Path, out: Path, observe: Observe = ignore, **changes: Any) -> dict[str, Any]:
    """Train in this process; metrics.json."""
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    params = Pretrain.model_validate(PARAMS | changes)
    pretrain(params, 3, tokens, out / "model", out / "reports", out / "speed", out / "resume/here", observe)
    return dict(read_json(out / "reports/metrics.json"))
