"""One training of ours in a process of its own: `python -m benchmarks.train_runs TASK` (JSON of `run_ours`)."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.nanogpt import ROOT, environment

SKIPPED = 20  # steps before the clock starts


def random_tokens(folder: Path, vocab_size: int) -> None:
    """Shards of random ids, as `tokenize` writes them."""
    import numpy as np

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for split, length in (("train", 400_000), ("validation", 20_000)):
        rng.integers(2, vocab_size, length).astype("<u2").tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    meta = {"vocab_size": vocab_size, "eos_id": 1, "dtype": "<u2", "splits": splits}
    (folder / "meta.json").write_text(json.dumps(meta))


def our_params(model: dict[str, Any], batch: int, steps: int, optimizer: dict[str, Any]) -> dict[str, Any]:
    rest = {"weight_decay": 0.01, "beta1": 0.9, "beta2": 0.99, "grad_clip": 1.0}
    return {
        "model": model, "optimizer": rest | optimizer, "batch_size": batch, "max_steps": steps,
        "eval_every": 10**6, "eval_tokens": 1000, "log_every": 10, "accelerator": "cpu", "devices": 1,
        "precision": "fp32",
    }  # fmt: skip


def run_ours(
    scratch: Path, tokens: Path, params: dict[str, Any], seed: int, threads: int, plain: bool = False
) -> dict[str, float]:
    """`pretrain`, or a plain loop over its steps, in a process of its own; its figures."""
    out = Path(tempfile.mkdtemp(dir=scratch))
    task = {"tokens": str(tokens), "out": str(out), "params": params, "seed": seed, "plain": plain}
    task["start"] = time.time()
    command = [sys.executable, "-m", "benchmarks.train_runs", json.dumps(task)]
    done = subprocess.run(command, cwd=ROOT, env=environment(threads), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"our training failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return dict(json.loads((out / "figures.json").read_text()))


def main(task: dict[str, Any]) -> None:
    """Train, and write down how fast."""
    from gptmill.params.pretrain import Pretrain

    params = Pretrain.model_validate(task["params"])
    out, tokens = Path(task["out"]), Path(task["tokens"])
    for name in ("model", "reports"):
        (out / name).mkdir()
    clock: dict[int, tuple[float, float]] = {}  # step → seconds of the wall's clock and of this process
    if task["plain"]:
        plain_loop(params, task["seed"], tokens, clock)
    else:
        from gptmill.training.pretrain import pretrain

        def observe(metrics: dict[str, float], step: int) -> None:
            if "train_loss" in metrics:
                clock[step] = (time.time(), time.process_time())

        folders = [out / name for name in ("model", "reports", "speed", "resume")]
        pretrain(params, task["seed"], tokens, *folders, observe)
    first, last = min(step for step in clock if step >= SKIPPED), max(clock)
    seconds = (clock[last][0] - clock[first][0]) / (last - first)
    timed = itertools.pairwise(step for step in sorted(clock) if step >= first)
    windows = [(clock[b][1] - clock[a][1]) / (b - a) for a, b in timed]
    figures = {
        "tokens_per_s": params.sequences * params.model.block_size / seconds,
        # The fastest tenth: other jobs on the machine only ever add.
        "cpu_ms_per_step": (statistics.quantiles(windows, n=10) if windows[1:] else windows)[0] * 1000,
        "first_step": clock[min(clock)][0] - task["start"],  # the end of the first ten steps
        "cpu_s_to_first_step": clock[min(clock)][1],
    }
    if not task["plain"]:
        figures["val_loss"] = json.loads((out / "reports/metrics.json").read_text())["val_loss"]
    (out / "figures.json").write_text(json.dumps(figures))


def plain_loop(params: Any, seed: int, tokens: Path, clock: dict[int, tuple[float, float]]) -> None:
    """The same steps without Lightning, logs or guards."""
    from gptmill.models import build_model
    from gptmill.params.recipes import settle
    from gptmill.tokens.shards import TokenStream
    from gptmill.training.data import Batches
    from gptmill.training.module import make_optimizer
    from gptmill.training.step import train_step

    stream = TokenStream(tokens, "train")
    model = build_model(vocab_size=stream.vocab_size, **params.model.arguments())
    optimizer = make_optimizer(model, params, settle(params.optimizer, params.model, params.max_steps))
    block, batch = params.model.block_size, params.sequences
    batches = Batches(stream, block_size=block, batch_size=batch, seed=seed, max_steps=params.max_steps)
    for step, rows in enumerate(batches, 1):
        train_step(model, optimizer, rows, learning_rate_factor=1.0, grad_clip=params.optimizer.grad_clip)
        if step % params.log_every == 0:
            clock[step] = (time.time(), time.process_time())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
