"""Training speed and sample efficiency beside nanoGPT.

    git clone https://github.com/karpathy/nanoGPT DIR
    python -m benchmarks.train --peer nanogpt=DIR --json OUT [--rounds 3] [--threads 2]
    python -m benchmarks.train --peer nanogpt=DIR --json OUT --efficiency --tokens data/tokens [--seeds 0 1 2]
    python -m benchmarks.train --peer nanogpt=DIR --json OUT --overhead

*Speed*: each setting is run by nanoGPT's own train.py and by our `pretrain` (Lightning, curves, guards, an
observer that is told everything) in turn, `rounds` times, each in a process of its own; same layers, heads,
width, biases, block, batch, fp32 and threads, random tokens. Tokens/s from the wall time of the steps after
the first 20; the median of the rounds. nanoGPT looks at its loss at each step, as it does by default.

*Efficiency*: nanoGPT trains on the shards in `--tokens` (README's CPU rates: AdamW 1e-3 to 1e-4, beta2 0.99,
100 steps of warm-up) and `modern` with Muon on fractions of those tokens. Both are scored on the whole
validation split by the same code. Reported is the fraction of tokens, and of wall time, at which ours reaches
nanoGPT's final loss (linear between the two fractions around it), for each seed, and the 95 % t-interval.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.nanogpt import peer_loss, run_peer
from benchmarks.train_runs import SKIPPED, our_params, random_tokens, run_ours

SPEED: dict[str, dict[str, int]] = {
    "4/4/128, block 64, batch 12, vocabulary 65": {
        "n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12, "vocab": 65, "steps": 420
    },
    "4/4/128, block 64, batch 12, vocabulary 2048": {
        "n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12, "vocab": 2048, "steps": 320
    },
    "6/6/384, block 256, batch 12, vocabulary 65": {
        "n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "batch_size": 12, "vocab": 65, "steps": 28
    },
}  # fmt: skip
FRACTIONS = (0.35, 0.5)
BATCH = 16  # sequences of 128 tokens a step, both
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}  # two-sided, n - 1 degrees of freedom


def main() -> None:
    parser = argparse.ArgumentParser(description="training beside nanoGPT")
    parser.add_argument("--peer", help="nanogpt=DIR")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="settings whose name holds this")
    parser.add_argument("--efficiency", action="store_true")
    parser.add_argument("--overhead", action="store_true")
    parser.add_argument("--tokens", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    name, _, folder = (arguments.peer or "").partition("=")
    if name != "nanogpt" or not Path(folder, "train.py").is_file():
        sys.exit("--peer nanogpt=DIR, where DIR is a clone of https://github.com/karpathy/nanoGPT")
    with tempfile.TemporaryDirectory() as scratch:
        peer = Path(scratch) / "nanogpt"
        shutil.copytree(folder, peer, ignore=shutil.ignore_patterns(".git", "*.png", "*.ipynb"))
        run = efficiency if arguments.efficiency else overhead if arguments.overhead else speed
        report = run(arguments, peer, Path(scratch))
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


def speed(arguments: argparse.Namespace, peer: Path, scratch: Path) -> dict[str, Any]:
    """Tokens/s of both at each setting."""
    report: dict[str, Any] = {"threads": arguments.threads, "load_average": round(os.getloadavg()[0], 2)}
    for name, setting in SPEED.items():
        if arguments.only not in name:
            continue
        tokens = scratch / f"tokens-{setting['vocab']}"
        random_tokens(tokens, setting["vocab"])
        figures: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(arguments.rounds):
            figures["peer"].append(peer_speed(peer, tokens, setting, arguments.threads))
            figures["ours"].append(ours_speed(scratch, tokens, setting, arguments.threads))
            print(name, {side: round(rates[-1]) for side, rates in figures.items()}, flush=True)
        ours, theirs = statistics.median(figures["ours"]), statistics.median(figures["peer"])
        report[name] = {
            "ours_tokens_per_s": round(ours),
            "peer_tokens_per_s": round(theirs),
            "ratio": round(ours / theirs, 3),
            "ratios": [round(a / b, 3) for a, b in zip(figures["ours"], figures["peer"], strict=True)],
        }
    return report


def peer_speed(peer: Path, tokens: Path, setting: dict[str, int], threads: int) -> float:
    sizes = {key: setting[key] for key in ("n_layer", "n_head", "n_embd", "block_size", "batch_size")}
    out = run_peer(
        peer, tokens, sizes | {"max_iters": setting["steps"], "eval_interval": 10**6, "always_save_checkpoint": False},
        threads,
    )  # fmt: skip
    times = {int(i): float(ms) for i, ms in re.findall(r"iter (\d+): loss [\d.]+, time ([\d.]+)ms", out)}
    timed = [ms for i, ms in times.items() if i > SKIPPED]
    return len(timed) * setting["batch_size"] * setting["block_size"] / (sum(timed) / 1000)


def ours_speed(scratch: Path, tokens: Path, setting: dict[str, int], threads: int) -> float:
    sizes = {key: setting[key] for key in ("n_layer", "n_head", "n_embd", "block_size")}
    params = our_params(
        {"preset": "gpt2", **sizes},
        setting["batch_size"],
        setting["steps"],
        {"name": "adamw", "weight_decay": 0.1},
    )
    return float(run_ours(scratch, tokens, params, 0, threads)["tokens_per_s"])


def overhead(arguments: argparse.Namespace, _peer: Path, scratch: Path) -> dict[str, Any]:
    """Milliseconds of CPU that Lightning and our logging add to a step, and seconds until the first ten have ended.

    A model so small that a step is mostly overhead, through `pretrain` and in a plain loop over the same
    step function, in turn.
    """
    tokens = scratch / "tokens-65"
    random_tokens(tokens, 65)
    sizes = {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 16}
    params = our_params({"preset": "gpt2", **sizes}, 4, 1500, {"name": "adamw"})
    rows = []
    for _ in range(arguments.rounds):
        plain = run_ours(scratch, tokens, params, 0, threads=1, plain=True)
        whole = run_ours(scratch, tokens, params, 0, threads=1)
        added = whole["cpu_ms_per_step"] - plain["cpu_ms_per_step"]
        rows.append((added, plain["cpu_ms_per_step"], whole["first_step"], whole["cpu_s_to_first_step"]))
        print(*(round(figure, 3) for figure in rows[-1]), flush=True)
    added, plain_ms, first, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "overhead_cpu_ms_per_step": round(added, 3),
        "plain_cpu_ms_per_step": round(plain_ms, 3),
        "seconds_to_first_step": round(first, 2),
        "cpu_s_to_first_step": round(cpu, 2),
        "load_average": round(os.getloadavg()[0], 2),
    }


def efficiency(arguments: argparse.Namespace, peer: Path, scratch: Path) -> dict[str, Any]:
    """The fractions of nanoGPT's tokens and seconds after which `modern` with Muon has its loss."""
    tokens, steps, threads = arguments.tokens.resolve(), arguments.steps, arguments.threads
    sizes = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 128}
    rows = []
    for seed in arguments.seeds:
        options = sizes | {
            "batch_size": BATCH, "max_iters": steps, "lr_decay_iters": steps, "learning_rate": 1e-3, "min_lr": 1e-4,
            "beta2": 0.99, "warmup_iters": min(100, steps // 5), "eval_interval": steps, "log_interval": 1,
        }  # fmt: skip
        # nanoGPT has no option for its seed.
        script = peer / "train.py"
        script.write_text(re.sub(r"manual_seed\(\d+ \+", f"manual_seed({seed} +", script.read_text()))
        out = run_peer(peer, tokens, options, threads)
        seconds = (
            sum(float(ms) for ms in re.findall(r"iter [1-9]\d*: loss [\d.]+, time ([\d.]+)ms", out)[:-1])
            / 1000
        )
        row: dict[str, Any] = {
            "seed": seed,
            "peer_loss": peer_loss(peer, tokens),
            "peer_seconds": round(seconds, 1),
        }
        points = []
        for fraction in FRACTIONS:
            params = our_params(
                {"preset": "modern", **sizes}, 32, max(30, round(fraction * steps)), {"name": "muon"}
            )
            figures = run_ours(scratch, tokens, params, seed, threads)
            taken = params["max_steps"] / steps
            spent = taken * steps * BATCH * 128 / figures["tokens_per_s"]
            points.append((taken, spent / seconds, figures["val_loss"]))
        row["ours"] = [{"tokens": a, "time": round(b, 3), "loss": round(c, 4)} for a, b, c in points]
        row["tokens_ratio"], row["time_ratio"] = reached(points, row["peer_loss"])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return {
        "steps": steps,
        "tokens_per_step": BATCH * 128,
        "seeds": rows,
        "tokens_ratio": interval([row["tokens_ratio"] for row in rows]),
        "time_ratio": interval([row["time_ratio"] for row in rows]),
    }


def reached(points: list[tuple[float, float, float]], target: float) -> tuple[float, float]:
    """(tokens, time) at which the line through the two points around `target` passes it."""
    low, high = points[0], points[-1]
    for a, b in itertools.pairwise(points):
        if b[2] <= target <= a[2]:
            low, high = a, b
    if low[2] <= target:  # the shortest run is better already
        return low[0], low[1]
    share = (low[2] - target) / (low[2] - high[2]) if low[2] > high[2] else math.inf
    return low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1])


def interval(values: list[float]) -> dict[str, float]:
    """Mean and 95 % t-interval."""
    mean = statistics.fmean(values)
    half = (
        T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5 if len(values) in T95 else math.nan
    )
    return {"mean": round(mean, 3), "low": round(mean - half, 3), "high": round(mean + half, 3)}


if __name__ == "__main__":
    main()
