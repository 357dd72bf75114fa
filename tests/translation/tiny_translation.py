"""Pairs and parameters with which a system trains in a second, and a process of its own that does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from gptmill.params import check, read_yaml
from gptmill.params.translate import Translate
from gptmill.translation.prepare import prepare
from gptmill.translation.training import train_system

ROOT = Path(__file__).parents[2]
SYSTEMS = ("seq2seq", "rnnsearch", "transformer", "gpt")
STEPS = 30


def tiny(**changes: Any) -> Translate:
    """The project's parameters, made small; `changes` by section."""
    raw = read_yaml(ROOT / "params.yaml")["translate"]
    raw["pairs"] = {"kind": "dates", "train": 300, "validation": 20, "test": 30}
    raw["vocabulary"] |= {"vocab_size": 420}
    raw["training"] |= {"batch_size": 8, "log_every": 7, "checkpoint_every": 10, "accelerator": "cpu"}
    raw["evaluate"] |= {"beams": 2, "resamples": 100, "heat_maps": 2, "max_new_tokens": 30}
    # Dropout draws random numbers at each step: what a resume must get right.
    common = {"n_embd": 16, "dropout": 0.1, "max_steps": STEPS, "warmup_steps": 5}
    for system in SYSTEMS:
        raw["systems"][system] |= common
    raw["systems"]["transformer"] |= {"n_ff": 32, "n_head": 2}
    raw["systems"]["gpt"] |= {"n_layer": 2, "n_head": 2}
    for section, values in changes.items():
        raw[section] |= values
    return check(Translate, raw, "tiny")


def make_pairs(folder: Path) -> Path:
    folder.mkdir(parents=True)
    params = tiny()
    prepare(params.pairs, params.vocabulary, 1, folder)
    return folder


def run(
    system: str, pairs: Path, out: Path, params: Translate | None = None, wait: float = 0.0
) -> dict[str, bytes]:
    """Train a system in this process; its outs."""
    import time

    def observe(metrics: dict[str, float], step: int) -> None:
        if "train_loss" in metrics:
            print("observed", step, flush=True)
            time.sleep(wait)

    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    train_system(
        system,
        params or tiny(),
        3,
        pairs,
        model_out=out / "model",
        reports_out=out / "reports",
        resume=out / "resume/here",
        observe=observe,
    )
    return outs(out)


def outs(out: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for part in ("model", "reports")
        for path in sorted((out / part).iterdir())
    }


def start(system: str, pairs: Path, out: Path, wait: float) -> subprocess.Popen[str]:
    """`run` in a process of its own, which can be killed."""
    call = f"run({system!r}, Path({str(pairs)!r}), Path({str(out)!r}), wait={wait})"
    code = f"from tiny_translation import run\nfrom pathlib import Path\n{call}"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
