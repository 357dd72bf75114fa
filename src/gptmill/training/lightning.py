"""What every Trainer of ours has in common."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch


def machine(accelerator: str, devices: str | int, precision: str) -> dict[str, Any]:
    """Trainer arguments for where and how exactly to compute; Lightning's own logging and saving is off."""
    # Its notices on data loaders, workers and loggers don't apply to batches and logs made our way.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    # Deterministic algorithms also fill each new tensor's memory, for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return {
        "accelerator": accelerator,
        "devices": devices,
        "precision": "bf16-mixed" if _bf16(precision) else "32-true",
        "deterministic": "warn",
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }


def _bf16(precision: str) -> bool:
    """`auto` is bf16 on GPUs that have it, else fp32: on CPUs bf16 is slower."""
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision == "bf16"
