"""What every Trainer of ours has in common, and which device it is for."""

from __future__ import annotations

import logging
import os
import re
import warnings
from typing import Any

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer

from gptmill.errors import UserError


def make_trainer(
    *,
    max_steps: int,
    callbacks: list[Callback],
    accelerator: str,
    devices: str | int,
    precision: str,
    num_nodes: int = 1,
    strategy: str = "auto",
    grad_clip: float = 0.0,
) -> Trainer:
    """A Trainer that only trains: logging, checkpoints, validation and the progress line are ours.

    Raises:
        UserError: when this machine has no such accelerator or not so many devices, or when nothing has
            started the processes of the other hosts.
    """
    if num_nodes > 1 and not _launched():
        raise UserError(
            f"pretrain.num_nodes = {num_nodes}, and no launcher has started this process: it would wait for the "
            "other hosts for ever. Start the stage with torchrun or SLURM's srun (docs/gpus.md), or set "
            "pretrain.num_nodes: 1"
        )
    # Its notices on data loaders, workers and loggers don't apply to batches and logs made our way.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    # Deterministic algorithms also fill each new tensor's memory, for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    try:
        return Trainer(
            max_steps=max_steps,
            gradient_clip_val=grad_clip or None,
            callbacks=callbacks,
            accelerator=device_kind(accelerator),
            devices=devices,
            num_nodes=num_nodes,
            strategy=_strategy(strategy, accelerator, devices, num_nodes),
            precision="bf16-mixed" if uses_bf16(accelerator, precision) else "32-true",
            deterministic="warn",
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, RuntimeError) as error:
        raise UserError(
            f"pretrain.accelerator = {accelerator!r} with pretrain.devices = {devices!r} can't be had on this "
            f"machine: {error} With `auto` for both, what is here is used."
        ) from None


def _launched() -> bool:
    """Is this process one of torchrun's or SLURM's, or was it told its host's number by hand?"""
    by_hand = "NODE_RANK" in os.environ
    return TorchElasticEnvironment.detect() or SLURMEnvironment.detect() or by_hand


def _strategy(strategy: str, accelerator: str, devices: str | int, num_nodes: int) -> Any:
    if strategy != "fsdp":
        return strategy
    from lightning.pytorch.strategies import ModelParallelStrategy

    count = device_count(accelerator, devices, num_nodes)
    return ModelParallelStrategy(
        data_parallel_size=count, tensor_parallel_size=1, save_distributed_checkpoint=False
    )


def device_count(accelerator: str, devices: str | int, num_nodes: int = 1) -> int:
    """Devices that a training uses, over all hosts."""
    if devices == "auto":
        devices = torch.cuda.device_count() if _on_gpu(accelerator) else 1
    return int(devices) * num_nodes


def device_key(accelerator: str, count: int) -> str:
    """A folder name for the kind and number of devices: state made on others would not give the same bits.

    On CPUs the number of threads counts as well: it decides the order of sums.
    """
    on_gpu = _on_gpu(accelerator)
    kind = torch.cuda.get_device_name() if on_gpu else f"cpu-{torch.get_num_threads()}-threads"
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{kind}-x{count}-torch-{torch.__version__}")


def root_device(accelerator: str) -> torch.device:
    """The device of a training in one process."""
    # A GPU that isn't there is the Trainer's to refuse.
    return torch.device("cuda" if _on_gpu(accelerator) else "mps" if accelerator == "mps" else "cpu")


def compiles(accelerator: str, compile: bool | str) -> bool:
    """`auto` compiles on GPUs; on CPUs the minute it takes is won back in long runs only."""
    return _on_gpu(accelerator) if compile == "auto" else bool(compile)


def device_kind(accelerator: str) -> str:
    """cuda, mps or cpu.

    Lightning's `auto` would take a Mac's MPS, where neither the speed nor the bits of a run have been looked at.
    """
    if accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if accelerator == "gpu" else accelerator


def _on_gpu(accelerator: str) -> bool:
    return device_kind(accelerator) == "cuda" and torch.cuda.is_available()


def uses_bf16(accelerator: str, precision: str) -> bool:
    """`auto` is bf16 on GPUs that have it, else fp32: on CPUs bf16 is slower."""
    if precision == "auto":
        return _on_gpu(accelerator) and torch.cuda.is_bf16_supported()
    return precision == "bf16"
