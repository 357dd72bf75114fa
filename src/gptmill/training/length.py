"""How many steps: from steps, tokens, epochs or minutes, whichever params.yaml sets."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from gptmill.errors import UserError
from gptmill.outs import read_json, write_json
from gptmill.params.pretrain import Pretrain

WARM, TIMED = 3, 5  # steps before and in a measurement, at least
SECONDS = 3.0  # a measurement lasts at least so long


def total_steps(params: Pretrain, n_windows: int, measured: Path, step: Callable[[int], object]) -> int:
    """The steps of the whole training.

    Minutes are turned into steps once: `step` is timed for a few seconds, and the number is kept in the
    file `measured`, so that a repeat, and a run that goes on after a kill, take the same steps.

    Raises:
        UserError: when it comes to less than a step, or minutes are to be measured for several devices.
    """
    if params.max_steps:
        return params.max_steps
    sequences, block = params.sequences, params.model.block_size
    if params.max_tokens:
        steps = params.max_tokens // (sequences * block)
        if steps < 1:
            raise UserError(
                f"pretrain.max_tokens = {params.max_tokens} is less than one step of {sequences} x {block} tokens"
            )
        return steps
    if params.max_epochs:
        return max(1, math.ceil(params.max_epochs * n_windows / sequences))
    if measured.is_file():
        return int(read_json(measured)["steps"])
    if (
        int(os.environ.get("WORLD_SIZE", "1")) > 1
        or params.devices not in ("auto", 1)
        or params.num_nodes > 1
    ):
        raise UserError(
            "pretrain.max_minutes is measured in one process; with several devices set pretrain.max_steps"
        )
    seconds = _seconds_a_step(step)
    steps = max(1, int((params.max_minutes or 0.0) * 60 / seconds))
    write_json(measured, {"steps": steps, "seconds_per_step": seconds, "minutes": params.max_minutes})
    print(f"{params.max_minutes} minutes are {steps} steps of {seconds * 1000:.1f} ms; kept in {measured}")
    return steps


def _seconds_a_step(step: Callable[[int], object]) -> float:
    for i in range(WARM):
        step(i)
    count, start = 0, time.perf_counter()
    while count < TIMED or time.perf_counter() - start < SECONDS:
        step(WARM + count)
        count += 1
    return (time.perf_counter() - start) / count
