"""What each document costs by itself, read through a window that slides.

A document stands alone behind an end-of-text token, so nothing of its neighbours helps. The window of
`block_size` tokens moves on by `stride`, and only the tokens that are new in it count: beyond the first
window each is predicted from at least `block_size - stride` tokens, where windows that don't overlap predict
one in `block_size` from none at all. A smaller stride costs more and gives a lower, truer figure
(transformers' guide "Perplexity of fixed-length models").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from gptmill.errors import UserError
from gptmill.evaluation.statistics import Array
from gptmill.models.language_model import LanguageModel

IGNORED = -100  # a target that doesn't count


def effective_stride(stride: int | None, block_size: int) -> int:
    """`stride`, or three quarters of `block_size` where it isn't set.

    Raises:
        UserError: when it is longer than the model reads at once: tokens between two windows would be lost.
    """
    if stride is not None and stride > block_size:
        raise UserError(
            f"evaluate.stride = {stride} is longer than the {block_size} tokens that the model reads at once "
            "(its block_size): lower it, or set it to null for three quarters of that"
        )
    return stride or max(1, 3 * block_size // 4)


def sliding_nats(
    model: LanguageModel, documents: Sequence[Array], eos_id: int, stride: int, batch_size: int
) -> Array:
    """The nats of each document's tokens, `(n,)`.

    Args:
        documents: ids of each, without end-of-text tokens.
        batch_size: windows read at once.
    """
    windows = [
        (number, *window)
        for number, ids in enumerate(documents)
        for window in _windows(ids, eos_id, model.config.block_size, stride)
    ]
    total = np.zeros(len(documents))
    owners = np.array([number for number, _, _ in windows], dtype=np.int64)
    nats = scored(model, [(inputs, targets) for _, inputs, targets in windows], batch_size)
    np.add.at(total, owners, nats)
    return total


def _windows(ids: Array, eos_id: int, block_size: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Inputs and targets of each window; what an earlier one has counted is `IGNORED`."""
    inputs = np.concatenate(([eos_id], ids[:-1])).astype(np.int64)
    counted = 0
    for start in range(0, len(ids), stride):
        end = min(start + block_size, len(ids))
        targets = ids[start:end].astype(np.int64)
        targets[: counted - start] = IGNORED
        yield inputs[start:end], targets
        counted = end
        if end == len(ids):
            return


@torch.no_grad()
def scored(model: LanguageModel, pairs: Sequence[tuple[Array, Array]], batch_size: int) -> Array:
    """The nats of each pair's targets, `(n,)`, given the inputs; targets of `IGNORED` don't count.

    Pairs of like length share a batch: each is padded on the right to the longest, and a causal model
    never sees the padding.
    """
    device = model.token_embedding.weight.device
    order = np.argsort([len(inputs) for inputs, _ in pairs], kind="stable")
    nats = np.zeros(len(pairs))
    for low in range(0, len(order), batch_size):
        chosen = order[low : low + batch_size]
        x, y = (_padded([pairs[i][side] for i in chosen], fill) for side, fill in ((0, 0), (1, IGNORED)))
        counts = y != IGNORED  # the others need no pass over the vocabulary
        rows = counts.nonzero()[:, 0].numpy()
        hidden = model.hidden(x.to(device))[counts.to(device)]
        losses = model.cross_entropy(hidden[None], y[counts][None].to(device), reduction="none")
        nats[chosen] = np.bincount(rows, losses[0].double().cpu().numpy(), len(chosen))
    return nats


def _padded(rows: list[Array], fill: int) -> Any:
    width = max(len(row) for row in rows)
    padded = np.full((len(rows), width), fill, dtype=np.int64)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(padded)
