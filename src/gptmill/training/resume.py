"""Exact resume: a killed run goes on and ends with the bits of one that was never killed.

Lightning's checkpoint holds weights, optimizer, schedule and counters. What it lacks is here: every
random generator's state, and when to write. The batch order needs no state (`data.py`). The state
lives outside the stage's outs, in a folder named by the stage's fingerprint, so that other parameters
or code never meet it, and is renamed into place, so that a kill in the middle of writing is harmless.
"""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class Resume(Callback):
    """Save every `every` steps, and at once before leaving on SIGTERM or SIGINT."""

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self._signal: int | None = None
        self._rng: dict[str, Any] | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def checkpoint(self) -> Path | None:
        """Where to go on from, if a run with this fingerprint was stopped."""
        path = self.folder / "last.ckpt"
        return path if path.is_file() else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # After Lightning's own handlers, which would end the process with exit code 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:  # asked twice: leave now, with what was saved before
            sys.exit(128 + number)
        self._signal = number

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if self._rng is not None:
            _restore(self._rng)
            self._rng = None

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        step = trainer.global_step
        done = step >= int(trainer.max_steps)
        if (step % self.every == 0 and not done) or self._signal is not None:
            self._save(trainer)
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            print(
                f"stopped by {name} after step {step}; the same command goes on from there", file=sys.stderr
            )
            sys.exit(128 + self._signal)

    def _save(self, trainer: Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "last.ckpt.partial"
        trainer.save_checkpoint(partial)  # all processes take part, the first one writes
        if trainer.is_global_zero:
            partial.replace(self.folder / "last.ckpt")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def state_dict(self) -> dict[str, Any]:
        return _states()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Restored when the first batch starts: what Lightning does until then draws numbers of its own.
        self._rng = state_dict


def _states() -> dict[str, Any]:
    """Every generator's state, in types that a `weights_only` load accepts."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.array(keys, dtype=np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
