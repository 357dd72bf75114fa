"""What every Trainer of ours has in common."""

from __future__ import annotations

import logging
import warnings

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer

from gptmill.errors import UserError


def make_trainer(
    *,
    max_steps: int,
    grad_clip: float,
    callbacks: list[Callback],
    accelerator: str,
    devices: str | int,
    precision: str,
) -> Trainer:
    """A Trainer that only trains: logging, checkpoints and validation are ours.

    Raises:
        UserError: when this machine has no such accelerator or not so many devices.
    """
    # Its notices on data loaders, workers and loggers don't apply to batches and logs made our way.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    # Deterministic algorithms also fill each new tensor's memory, for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        return Trainer(
            max_steps=max_steps,
            gradient_clip_val=grad_clip or None,
            callbacks=callbacks,
            accelerator=accelerator,
            devices=devices,
            precision="bf16-mixed" if _bf16(accelerator, precision) else "32-true",
            deterministic="warn",
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, RuntimeError) as error:
        raise UserError(
            f"pretrain.accelerator = {accelerator!r} with pretrain.devices = {devices!r} can't be had on this "
            f"machine: {error} With `auto` for both, what is here is used."
        ) from None


def _bf16(accelerator: str, precision: str) -> bool:
    """`auto` is bf16 on GPUs that have it, else fp32: on CPUs bf16 is slower."""
    if precision == "auto":
        on_gpu = accelerator in ("auto", "gpu") and torch.cuda.is_available()
        return on_gpu and torch.cuda.is_bf16_supported()
    return precision == "bf16"
