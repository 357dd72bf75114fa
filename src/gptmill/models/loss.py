"""The loss of a model over a whole token stream, each token once and in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gptmill.models.attention import document_ids
from gptmill.models.language_model import LanguageModel

if TYPE_CHECKING:
    from gptmill.tokens.shards import TokenStream


@dataclass(frozen=True)
class StreamLoss:
    """Sums over a stream; end-of-text tokens are apart, for no byte of text stands behind them."""

    nats: float
    tokens: int
    eos_nats: float
    eos_tokens: int

    @property
    def per_token(self) -> float:
        """Mean nats a token, end-of-text tokens included: what training minimises."""
        return (self.nats + self.eos_nats) / (self.tokens + self.eos_tokens)


@torch.no_grad()
def stream_loss(
    model: LanguageModel,
    stream: TokenStream,
    batch_size: int,
    max_tokens: int | None = None,
) -> StreamLoss:
    """Score the first `max_tokens` tokens of `stream` (all by default).

    The stream is cut into windows of `block_size` that don't overlap; an end-of-text token stands before
    the first, so every token is predicted once. Draws no random number.
    """
    block_size = model.config.block_size
    device = model.token_embedding.weight.device
    total = len(stream) if max_tokens is None else min(max_tokens, len(stream))
    nats = eos_nats = 0.0
    eos_tokens = 0
    was_training = model.training
    model.eval()
    for start in range(0, total, batch_size * block_size):
        length = min(batch_size * block_size, total - start)
        targets = stream.window(start, length)
        before = stream.window(start - 1, 1) if start else np.array([stream.eos_id])
        inputs = np.concatenate((before, targets[:-1]))
        whole = length - length % block_size
        for low, high, width in ((0, whole, block_size), (whole, length, length - whole)):
            if low == high:
                continue
            x = torch.from_numpy(inputs[low:high]).view(-1, width).to(device)
            y = torch.from_numpy(targets[low:high]).view(-1, width).to(device)
            documents = {"documents": document_ids(x, stream.eos_id)} if model.config.document_mask else {}
            loss = model.loss(x, y, reduction="none", **documents).double()
            is_eos = y == stream.eos_id
            eos_nats += float(loss[is_eos].sum())
            nats += float(loss[~is_eos].sum())
            eos_tokens += int(is_eos.sum())
    model.train(was_training)
    return StreamLoss(nats, total - eos_tokens, eos_nats, eos_tokens)


def unigram_loss(train: TokenStream, stream: TokenStream) -> StreamLoss:
    """The same sums for a model that knows only how often each token occurs in `train` (add-one smoothed).

    Like `stream_loss` it predicts end-of-text tokens too, from the same counts.
    """
    counts = train.counts() + 1
    surprise = np.log(counts.sum()) - np.log(counts)
    seen = stream.counts()
    eos_tokens = int(seen[stream.eos_id])
    eos_nats = float(surprise[stream.eos_id]) * eos_tokens
    return StreamLoss(float(surprise @ seen) - eos_nats, len(stream) - eos_tokens, eos_nats, eos_tokens)
