"""One optimizer step on one batch, with or without Lightning around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from gptmill.models.attention import document_ids
from gptmill.models.cross_entropy import IGNORED
from gptmill.training.cores import Cores


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
    cores: Cores | None = None,
) -> tuple[Tensor, Tensor]:
    """The batch's mean loss in nats a token and the gradient's norm before clipping, both on the device.

    Args:
        batch: `(batch, time + 1)` ids, or of masked ones `(batch, 2, time)`: what is read, and the targets. It
            goes in parts of `micro_batch_size` rows whose losses are weighted by their targets, so that the
            parts give what the whole would.
        learning_rate_factor: each group's rate is its `initial_lr` times this.
        grad_clip: the largest norm of the gradient; 0 clips nothing.
        mask_from_eos: with this id between documents, tokens see their own document only.
        no_sync: stands around the backward pass of all parts but the last; several devices then exchange
            their gradients once a step.
    """
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    masked = batch.ndim == 3
    count = (batch[:, 1] != IGNORED).sum() if masked else batch.shape[0] * (batch.shape[1] - 1)

    def loss_of(rows: Tensor) -> Tensor:
        x, y = (rows[:, 0], rows[:, 1]) if masked else (rows[:, :-1], rows[:, 1:])
        documents = None if mask_from_eos is None else document_ids(x, mask_from_eos)
        if len(rows) == len(batch):
            return model.loss(x, y, documents=documents)  # type: ignore[no-any-return]
        return model.loss(x, y, documents=documents, reduction="sum") / count  # type: ignore[no-any-return]

    parts = torch.split(batch, micro_batch_size or len(batch))
    losses = []
    for i, part in enumerate(parts):
        if cores is not None:
            losses += cores.backward(loss_of, part, weights)
            continue
        with no_sync() if i + 1 < len(parts) else nullcontext():
            loss = loss_of(part)
            backward(loss)
        losses.append(loss.detach())
    norm = clip(weights, grad_clip)
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
