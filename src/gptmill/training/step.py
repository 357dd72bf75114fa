"""One optimizer step on one batch, with or without Lightning around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from gptmill.models.attention import document_ids


def train_step(
    model: Any,
    optimizer: Any,
    batch: Tensor,
    *,
    learning_rate_factor: float,
    grad_clip: float,
    micro_batch_size: int | None = None,
    mask_from_eos: int | None = None,
    backward: Callable[[Tensor], None] = Tensor.backward,
    no_sync: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> tuple[Tensor, Tensor]:
    """The batch's mean loss in nats a token and the gradient's norm before clipping, both on the device.

    Args:
        batch: `(batch, time + 1)` ids; in parts of `micro_batch_size` rows whose losses are weighted by
            their tokens, so that the parts give what the whole would.
        learning_rate_factor: each group's rate is its `initial_lr` times this.
        grad_clip: the largest norm of the gradient; 0 clips nothing.
        mask_from_eos: with this id between documents, tokens see their own document only.
        no_sync: stands around the backward pass of all parts but the last; several devices then exchange
            their gradients once a step.
    """
    tokens = batch.shape[0] * (batch.shape[1] - 1)
    parts = torch.split(batch, micro_batch_size or len(batch))
    losses = []
    for i, part in enumerate(parts):
        x, y = part[:, :-1], part[:, 1:]
        documents = None if mask_from_eos is None else document_ids(x, mask_from_eos)
        with no_sync() if i + 1 < len(parts) else nullcontext():
            if len(parts) == 1:
                loss = model.loss(x, y, documents=documents)
            else:
                loss = model.loss(x, y, documents=documents, reduction="sum") / tokens
            backward(loss)
        losses.append(loss.detach())
    norm = clip([p for group in optimizer.param_groups for p in group["params"]], grad_clip)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * learning_rate_factor
    optimizer.step()
    optimizer.zero_grad()
    return torch.stack(losses).sum() if len(losses) > 1 else losses[0], norm


def clip(weights: list[Tensor], largest: float) -> Tensor:
    """The norm of the whole gradient, which is scaled down to `largest` where it is longer (0: never)."""
    params = [p for p in weights if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in params])  # type: ignore[misc]
    if largest:
        torch.nn.utils.clip_grads_with_norm_(params, largest, norm)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # FSDP's parts of it, summed
