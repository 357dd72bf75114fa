"""What each document of a test split costs a model, so that two models can be compared pair by pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from gptmill.evaluation.statistics import Array
from gptmill.models.attention import document_ids

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel
    from gptmill.tokens.tokenizer import Tokenizer

TOKENS = 8192  # read at once


@torch.no_grad()
def document_nats(model: LanguageModel, tokenizer: Tokenizer, texts: Iterable[str]) -> Array:
    """The nats of each text, `(n,)`; end-of-text tokens apart.

    The texts stand one after the other in one stream, cut into windows of `block_size` that don't overlap,
    as `stream_loss` reads the shards: the same texts in the same order add up to its sum.
    """
    encoded = [np.array([*tokenizer.encode(text), tokenizer.eos_id], dtype=np.int64) for text in texts]
    if not encoded:
        return np.zeros(0)
    targets = np.concatenate(encoded)
    owner = np.repeat(np.arange(len(encoded)), [len(ids) for ids in encoded])
    nats = _token_nats(model, np.concatenate(([tokenizer.eos_id], targets[:-1])), targets, tokenizer.eos_id)
    is_text = targets != tokenizer.eos_id
    return np.bincount(owner[is_text], weights=nats[is_text], minlength=len(encoded)).astype(np.float64)


def _token_nats(
    model: LanguageModel,
    inputs: np.ndarray[Any, np.dtype[np.int64]],
    targets: np.ndarray[Any, np.dtype[np.int64]],
    eos_id: int,
) -> Array:
    """The nats of each target, `(time,)`; the last window may be shorter."""
    block_size = model.config.block_size
    stride = max(1, TOKENS // block_size) * block_size
    whole = len(targets) - len(targets) % block_size
    cuts = [(low, min(low + stride, whole), block_size) for low in range(0, whole, stride)]
    if whole < len(targets):
        cuts.append((whole, len(targets), len(targets) - whole))
    parts = []
    for low, high, width in cuts:
        x = torch.from_numpy(inputs[low:high]).view(-1, width)
        y = torch.from_numpy(targets[low:high])
        logits = model(x, documents=document_ids(x, eos_id) if model.config.document_mask else None)
        parts.append(F.cross_entropy(logits.flatten(0, 1).float(), y, reduction="none").double().numpy())
    return np.concatenate(parts)
