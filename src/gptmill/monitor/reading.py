"""What a model makes of a text: bits per byte, and where the text lies in its space of states.

Shapes: B windows, T time, C the model's width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel
    from gptmill.tokens.tokenizer import Tokenizer

Array = np.ndarray[Any, np.dtype[Any]]
CHARS = 4000  # of each text are read
TOKENS = 8192  # at once


@torch.no_grad()
def read(model: LanguageModel, tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Array, Array]:
    """Bits per byte `(n,)` and mean states of length 1 `(n, C)` of the first `CHARS` of each text.

    Each text is read by itself, in windows of the model's context, so that no text depends on another.
    """
    size = model.config.block_size
    device = model.token_embedding.weight.device
    inputs, targets, owners = _windows(tokenizer, texts, size)
    nats, states = np.zeros(len(texts)), np.zeros((len(texts), model.config.n_embd))
    step = max(1, TOKENS // size)
    for low in range(0, len(owners), step):
        x = torch.from_numpy(inputs[low : low + step]).to(device)
        y = torch.from_numpy(targets[low : low + step]).to(device)
        hidden = model.hidden(x)
        lost = torch.nn.functional.cross_entropy(
            model.logits(hidden).flatten(0, 1).float(), y.flatten(), reduction="none", ignore_index=-100
        )
        real = (y >= 0).unsqueeze(2)
        of = owners[low : low + step]
        np.add.at(nats, of, lost.view(y.shape).sum(dim=1).double().cpu().numpy())
        np.add.at(states, of, (hidden * real).sum(dim=1).double().cpu().numpy())
    sizes = np.array([max(1, len(text[:CHARS].encode())) for text in texts])
    norms = np.linalg.norm(states, axis=1, keepdims=True)
    return nats / math.log(2) / sizes, states / np.maximum(norms, 1e-12)


def _windows(tokenizer: Tokenizer, texts: Sequence[str], size: int) -> tuple[Array, Array, Array]:
    """Inputs and targets `(B, size)`, and which text each window is of; -100 where a target is none."""
    inputs, targets, owners = [], [], []
    for i, text in enumerate(texts):
        ids = [tokenizer.eos_id, *tokenizer.encode(text[:CHARS])]
        for low in range(0, len(ids) - 1, size):
            window = ids[low : low + size + 1]
            short = size + 1 - len(window)
            inputs.append(window[:-1] + [tokenizer.eos_id] * short)
            targets.append(window[1:] + [-100] * short)
            owners.append(i)
    shape = (len(owners), size)
    as_array = [np.array(rows, dtype=np.int64).reshape(shape) for rows in (inputs, targets)]
    return as_array[0], as_array[1], np.array(owners, dtype=np.int64)
