"""How many steps: from steps, tokens, epochs or minutes, whichever params.yaml sets."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.outs import read_json, write_json
from gptmill.params.pretrain import Pretrain
from gptmill.params.recipes import settle
from gptmill.tokens.shards import TokenStream
from gptmill.training.cores import cores_of
from gptmill.training.data import Batches
from gptmill.training.lightning import compiles, device_count, root_device, uses_bf16
from gptmill.training.module import make_optimizer
from gptmill.training.step import train_step

WARM, TIMED = 3, 5  # steps before and in a measurement, at least
SECONDS = 3.0  # a measurement lasts at least so long


def total_steps(
    params: Pretrain, n_windows: int, *, measured: Path, seconds_per_step: Callable[[], float]
) -> int:
    """The steps of the whole training.

    Minutes are turned into steps once, by a short measurement. The number is kept in the file `measured`,
    so that a repeat, and a run that goes on after a kill, take the same steps.

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
    devices = device_count(params.accelerator, params.devices, params.num_nodes)
    if (processes := max(devices, int(os.environ.get("WORLD_SIZE", "1")))) > 1:
        raise UserError(
            f"pretrain.max_minutes is measured in one process, and this training has {processes} "
            f"(pretrain.devices = {params.devices}); set pretrain.max_steps, or one device"
        )
    seconds = seconds_per_step()
    steps = max(1, int((params.max_minutes or 0.0) * 60 / seconds))
    write_json(measured, {"steps": steps, "seconds_per_step": seconds, "minutes": params.max_minutes})
    print(f"{params.max_minutes} minutes are {steps} steps of {seconds * 1000:.1f} ms; kept in {measured}")
    return steps


def seconds_per_step(params: Pretrain, seed: int, train: TokenStream) -> float:
    """Wall seconds of a training step, timed on a model that is thrown away afterwards."""
    device = root_device(params.accelerator)
    model = build_model(vocab_size=train.vocab_size, **params.model.arguments()).to(device)
    model.activation_checkpointing = params.activation_checkpointing
    if compiles(params.accelerator, params.compile):
        model.compile()
    optimizer = make_optimizer(model, params, settle(params.optimizer, params.model, 1000))
    cores = cores_of(params)
    batches = iter(
        Batches(
            train,
            block_size=params.model.block_size,
            batch_size=params.sequences,
            seed=seed,
            max_steps=10**9,
            masked=not model.causal,
        )
    )

    def step() -> None:
        with torch.autocast(
            device.type, torch.bfloat16, enabled=uses_bf16(params.accelerator, params.precision)
        ):
            loss, _ = train_step(
                model,
                optimizer,
                next(batches).to(device),
                learning_rate_factor=0.01,
                grad_clip=params.optimizer.grad_clip,
                micro_batch_size=params.micro_batch_size,
                mask_from_eos=train.eos_id if params.document_mask else None,
                cores=cores,
            )
        float(loss)  # waits for the device

    for _ in range(WARM):
        step()
    count, start = 0, time.perf_counter()
    while count < TIMED or time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return (time.perf_counter() - start) / count
