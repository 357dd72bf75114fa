"""Exact resume: a killed run goes on and ends with the bits of one that was never killed.

Lightning's checkpoint holds weights, optimizer and counters. What it lacks is here: the state of every
random generator of every process, and when to write. The batch order and the learning rate need no state:
they are functions of the step. The state lives outside the stage's outs, in a folder named by the stage's
fingerprint and the device, so that other parameters or code never meet it. When a checkpoint is written
changes nothing of the training, so it may go by the clock.
"""

from __future__ import annotations

import pickle
import platform
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer

from gptmill.errors import UserError
from gptmill.training.checkpoints import CheckpointFiles

ATTEMPTS = 5  # checkpoints in a row that may fail to be written
NOTHING, SAVE, LEAVE, GIVE_UP = range(4)  # what a process wants after a step; the most urgent wish wins


class Resume(Callback):
    """Save every `every` steps or `minutes`, and at once before leaving on SIGTERM or SIGINT.

    `before_save` may raise to keep a state from being saved. `made_with` are names and values, kept in each
    checkpoint; one with others is refused.
    """

    def __init__(
        self,
        folder: Path,
        every: int | None = None,
        minutes: float | None = None,
        before_save: Callable[[Trainer], None] | None = None,
        made_with: dict[str, Any] | None = None,
    ) -> None:
        self.files = CheckpointFiles(folder)
        self.every, self.minutes, self.before_save = every, minutes, before_save
        self.made_with = made_with
        self.seconds = 0.0  # spent on checkpoints
        self._failures = 0
        self._saved = time.monotonic()
        self._signal: int | None = None
        self._rng: dict[str, Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._group: Any = None

    @cached_property
    def checkpoint(self) -> Path | None:
        """Where to go on from, if a run with this fingerprint was stopped.

        Raises:
            UserError: when it is no checkpoint, or was made with other values than `made_with`.
        """
        path = self.files.newest()
        if path and self.made_with is not None:
            _check(path, self.made_with)
        return path

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = self.files
        if trainer.world_size > 1:
            self._group = dist.new_group(backend="gloo")  # what we agree on is in the CPU's memory
            found: list[Any] = [None] * trainer.world_size
            name = self.checkpoint.name if self.checkpoint else "no checkpoint"
            dist.all_gather_object(found, (name, platform.node()), group=self._group)
            _check_same(found, self.files.folder)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # After Lightning's own handlers, which would end the process with exit code 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._remember)
        self._saved = time.monotonic()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:  # asked twice: leave now, with what was saved before
            sys.exit(128 + number)
        self._signal = number

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if self._rng is not None:
            _restore(self._rng)
            self._rng = None

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        wish = self._agree(self._wish(trainer))
        if wish in (SAVE, LEAVE):
            self._save(trainer)
        if wish == LEAVE:
            number = self._signal or signal.SIGTERM
            last = self.files.found()
            told = (
                f"after step {trainer.global_step}" if not self.files.error else "without a checkpoint of it"
            )
            goes_on = "goes on from there" if not self.files.error or last else "starts again"
            print(
                f"stopped by {signal.Signals(number).name} {told}; the same command {goes_on}",
                file=sys.stderr,
            )
            sys.exit(128 + number)
        if wish == GIVE_UP:
            last = self.files.found()
            raise UserError(
                f"no checkpoint could be written {ATTEMPTS} times in a row "
                f"({self.files.error or 'by the first process'}). "
                + (f"The last one is {last[0].name}. " if last else "")
                + f"Free some space where {self.files.folder} is and run the same command again."
            )

    def _wish(self, trainer: Trainer) -> int:
        step = trainer.global_step
        if self._failures >= ATTEMPTS:
            return GIVE_UP
        if self._signal is not None:
            return LEAVE
        if step >= int(trainer.max_steps) or trainer.should_stop:
            return NOTHING
        if self.every and step % self.every == 0:
            return SAVE
        due = self.minutes is not None and time.monotonic() - self._saved >= self.minutes * 60
        return SAVE if due else NOTHING

    def _agree(self, wish: int) -> int:
        """All processes save, or leave, after the same step."""
        if self._group is None:
            return wish
        wishes = torch.tensor([wish])
        dist.all_reduce(wishes, dist.ReduceOp.MAX, group=self._group)
        return int(wishes)

    def _save(self, trainer: Trainer) -> None:
        if self.before_save:
            self.before_save(trainer)
        start = time.monotonic()
        trainer.save_checkpoint(self.files.folder / "checkpoint")  # all take part, the first writes
        self._saved = time.monotonic()
        self.seconds += self._saved - start
        self._failures = self._failures + 1 if self.files.error else 0
        if self.files.error:
            last = self.files.found()
            print(
                f"gptmill: warning: no checkpoint could be written after step {trainer.global_step} "
                f"({self.files.error}). Training goes on; a kill now would lose what came after "
                f"{last[0].name if last else 'the start'}.",
                file=sys.stderr,
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.made_with is not None:
            checkpoint["made_with"] = self.made_with

    def state_dict(self) -> dict[str, Any]:
        states = [_states()]
        if self._group is not None:
            states = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(states, _states(), group=self._group)
        return {"ranks": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Restored when the first batch starts: what Lightning does until then draws numbers of its own.
        self._rng = state_dict["ranks"][dist.get_rank() if dist.is_initialized() else 0]


def _check(path: Path, expected: dict[str, Any]) -> None:
    """Refuse a file whose values differ from those expected; its tensors are not read."""
    again = f"To start again, remove {path.parent}"
    try:
        made_with = torch.load(path, map_location="cpu", mmap=True, weights_only=True)["made_with"]
    except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError):
        raise UserError(f"{path} is no checkpoint of this program. {again}") from None
    for name, value in expected.items():
        if made_with.get(name) != value:
            raise UserError(
                f"{path} is of another training: its {name} is {made_with.get(name)!r}, and here it is {value!r}. "
                f"{again}; to go on with it, put back what it was made with"
            )


def _check_same(found: list[tuple[str, str]], folder: Path) -> None:
    """Refuse processes, given by checkpoint and host, that would go on from different steps."""
    if len({name for name, _ in found}) > 1:
        told = ", ".join(f"{name} on {host}" for name, host in sorted(set(found)))
        raise UserError(
            f"the processes would go on from different states: {told}. All hosts need one {folder}: put it on "
            "a file system that they share, or copy it from the first host to the others"
        )


def _states() -> dict[str, Any]:
    """Every generator's state in this process, in types that a `weights_only` load accepts."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.array(keys, dtype=np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def _restore(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    if states["mps"] is not None:
        torch.mps.set_rng_state(states["mps"])
