"""Cross-entropy of a large vocabulary without ever holding all logits.

Rows are taken in chunks, and a chunk's gradient is computed while its logits are there, as in Liger Kernel's
fused linear cross-entropy (arXiv:2410.10989): nothing of size tokens × vocabulary is kept, nothing is
computed twice, and on CPUs a chunk stays in the cache between the passes over it.

Shapes: N tokens, C = n_embd, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # a target that doesn't count
CPU_CHUNK = 2**19  # logits in a chunk: 2 MB of fp32
GPU_CHUNK = 2**26


def cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, *, cap: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Nats of `targets` `(N,)` for logits `hidden` `(N, C)` times `head` `(V, C)` transposed.

    Targets of `IGNORED` count nothing. On GPUs the vocabulary is padded to a multiple of 64 in here, for
    the matrix units; padding has no probability.

    Args:
        cap: logits are `cap * tanh(logits / cap)`; 0 leaves them.
        reduction: `mean` over the targets that count, `sum`, or `none` (no gradient).
    """
    hidden, head = _autocast(hidden, head)
    if padding := -len(head) % 64 if head.is_cuda else 0:
        vocab_size, head = len(head), F.pad(head, (0, 0, 0, padding))
    else:
        vocab_size = len(head)
    counted = targets != IGNORED
    rows = max(1, (GPU_CHUNK if head.is_cuda else CPU_CHUNK) // len(head))
    if reduction == "none":
        with torch.no_grad():
            return _chunks(hidden, head, targets, counted.float(), vocab_size, rows, cap, False)[0]
    weights = counted.float()
    if reduction == "mean":
        weights = weights / counted.sum().clamp(min=1)
    if not torch.is_grad_enabled():
        return _chunks(hidden, head, targets, weights, vocab_size, rows, cap, False)[0].sum()
    # A compiler would unroll the many small chunks that suit a CPU, and take minutes over it.
    apply = _CrossEntropy.apply if head.is_cuda else _uncompiled
    return apply(hidden, head, targets, weights, vocab_size, rows, cap)  # type: ignore


def cap_logits(logits: Tensor, cap: float) -> Tensor:
    """`cap * tanh(logits / cap)`, or the logits themselves for a cap of 0 (Gemma 2, arXiv:2408.00118)."""
    return cap * torch.tanh(logits / cap) if cap else logits


class _CrossEntropy(torch.autograd.Function):
    """The weighted sum of the nats; the gradients are made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        targets: Tensor,
        weights: Tensor,
        vocab_size: int,
        rows: int,
        cap: float,
    ) -> Tensor:
        nats, d_hidden, d_head = _chunks(hidden, head, targets, weights, vocab_size, rows, cap, True)
        ctx.save_for_backward(d_hidden, d_head)
        return nats.sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        d_hidden, d_head = ctx.saved_tensors
        (d,) = grads
        return d_hidden * d.to(d_hidden.dtype), d_head * d.to(d_head.dtype), None, None, None, None, None


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _uncompiled(*args: Any) -> Any:
    return _CrossEntropy.apply(*args)  # type: ignore


def _chunks(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    weights: Tensor,
    vocab_size: int,
    rows: int,
    cap: float,
    gradients: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted nats `(N,)`, and the gradients of their sum by `hidden` `(N, C)` and `head` `(V, C)`."""
    nats, d_hidden = [], []
    exact = torch.promote_types(head.dtype, torch.float32)
    d_head = torch.zeros_like(head, dtype=exact) if gradients else head
    for x, y, w in zip(*(torch.split(part, rows) for part in (hidden, targets, weights)), strict=True):
        logits = (x @ head.T).to(exact)
        if cap:
            logits = logits.div_(cap).tanh_().mul_(cap)
        if vocab_size < len(head):
            logits[:, vocab_size:] = -torch.inf
        log_p = F.log_softmax(logits, dim=1)
        y = y.clamp(min=0)[:, None]  # what is ignored has weight 0
        log_p_y = log_p.gather(1, y)
        nats.append(log_p_y[:, 0].neg() * w)
        if not gradients:
            continue
        d_logits = log_p.exp_().scatter_(1, y, log_p_y.exp_().sub_(1))
        if cap:  # the derivative of the cap is 1 - (logits / cap)^2; padding's gradient is 0 already
            d_logits.mul_(logits.clamp_(-cap, cap).square_().mul_(-1 / cap**2).add_(1))
        d = d_logits.mul_(w[:, None]).to(x.dtype)
        d_hidden.append(d @ head)
        d_head += d.T @ x
    return torch.cat(nats), torch.cat(d_hidden) if gradients else hidden, d_head.to(head.dtype)


def _autocast(hidden: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """Both in autocast's dtype where it is on, so that the products are made as everywhere else."""
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        return hidden.to(dtype), head.to(dtype)
    return hidden, head
