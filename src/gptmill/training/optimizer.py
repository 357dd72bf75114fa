"""Which weights go to which optimizer, and the learning rate's course over the steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gptmill.training.muon import MuonAdamW


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


def muon(
    model: nn.Module,
    *,
    matrix_learning_rate: float,
    embedding_learning_rate: float,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    beta1: float,
    beta2: float,
) -> MuonAdamW:
    """Muon for the matrices of the layers; AdamW for embeddings, head, norms and scalars.

    Fused projections to queries, keys and values count as three matrices (modded-nanogpt keeps them apart).
    """
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    kinds: dict[str, list[Tensor]] = {"qkv": [], "matrix": [], "embedding": [], "head": [], "vector": []}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        if p.ndim < 2:
            kind = "vector"
        elif id(p) in embeddings:
            kind = "embedding"
        elif "head." in name:
            kind = "head"
        else:
            kind = "qkv" if "qkv" in name else "matrix"
        kinds[kind].append(p)
    own: dict[str, dict[str, Any]] = {
        "qkv": {"lr": matrix_learning_rate, "muon": True, "momentum": momentum, "parts": 3},
        "matrix": {"lr": matrix_learning_rate, "muon": True, "momentum": momentum, "parts": 1},
        "embedding": {"lr": embedding_learning_rate},
        "head": {"lr": learning_rate},
        "vector": {"lr": learning_rate},
    }
    groups = [
        {"params": params, "weight_decay": 0.0 if kind == "vector" else weight_decay} | own[kind]
        for kind, params in kinds.items()
        if params
    ]
    return MuonAdamW(groups, betas=(beta1, beta2), eps=1e-8)


def warmup_cosine(step: int, *, warmup_steps: int, max_steps: int, floor: float) -> float:
    """The factor on the learning rate at a step: linear up to 1, then a cosine down to `floor`."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, max_steps - warmup_steps)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def warmup_stable_decay(
    step: int, *, warmup_steps: int, max_steps: int, cooldown_fraction: float, floor: float
) -> float:
    """Linear up to 1, level, then over the last `cooldown_fraction` of all steps a line down to `floor`.

    Hu et al., "MiniCPM" (2024), section 4; the linear cooldown is modded-nanogpt's.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    cooldown_steps = min(cooldown_fraction * max_steps, max_steps - warmup_steps)
    left = max_steps - step
    return 1.0 if left >= cooldown_steps else floor + (1.0 - floor) * max(0.0, left / cooldown_steps)


def warmup_linear(step: int, *, warmup_steps: int, max_steps: int) -> float:
    """The same with a straight line down to 0: GPT-1's course in fine-tuning."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return max(0.0, (max_steps - step) / max(1, max_steps - warmup_steps))
