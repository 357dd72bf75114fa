"""AdamW with decay on matrices only, and the learning rate's course over the steps."""

from __future__ import annotations

import math

import torch
from torch import nn


def adamw(
    model: nn.Module, *, learning_rate: float, weight_decay: float, beta1: float, beta2: float
) -> torch.optim.AdamW:
    """Decoupled decay on weights with two or more dimensions, none on biases and gains (GPT-1, section 4.1)."""
    params = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(beta1, beta2), eps=1e-8, fused=True)


def warmup_cosine(step: int, *, warmup_steps: int, max_steps: int, floor: float) -> float:
    """The factor on the learning rate at a step: linear up to 1, then a cosine down to `floor`."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, max_steps - warmup_steps)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def warmup_linear(step: int, *, warmup_steps: int, max_steps: int) -> float:
    """The same with a straight line down to 0: GPT-1's course in fine-tuning."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return max(0.0, (max_steps - step) / max(1, max_steps - warmup_steps))
