"""Masked-language-model training (Devlin et al. 2018, section 3.1): which tokens are hidden, and what it comes to.

Of each row 15 % of the tokens are drawn. Of these 80 % become [MASK], 10 % another token, 10 % stay as they are;
all are to be found again. What is drawn for a row is a pure function of (seed, its place in the training), so
every epoch masks anew (Liu et al. 2019, section 4.1) and a resume needs no state. End-of-text tokens are
left alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from gptmill.bidirectional import masked_per_row
from gptmill.models.attention import document_ids
from gptmill.models.cross_entropy import IGNORED
from gptmill.models.language_model import LanguageModel
from gptmill.models.loss import StreamLoss, stream_loss, unigram_loss
from gptmill.tokens.shards import TokenStream

Ids = np.ndarray[Any, np.dtype[np.int64]]
MASK, OTHER = 0.8, 0.1
TRAINING, VALIDATION = 1, 2  # the last number that a generator starts from: what it is for


def mask_row(ids: Ids, vocab_size: int, eos_id: int, seed: tuple[int, ...]) -> Ids:
    """What the model reads and what it is to find, `(2, time)`, from ids `(time,)`.

    [MASK] is `vocab_size`. All rows of one length have equally many targets, the others are `IGNORED`.
    """
    rng = np.random.default_rng(seed)
    # End-of-text comes last, which is to say never, unless hardly anything else is there.
    order = np.argsort(rng.random(len(ids)) + (ids == eos_id), kind="stable")
    chosen = order[: masked_per_row(len(ids))]
    fate = rng.random(len(chosen))
    others = rng.integers(vocab_size - 1, size=len(chosen))
    others += others >= eos_id
    inputs, targets = ids.copy(), np.full_like(ids, IGNORED)
    targets[chosen] = ids[chosen]
    inputs[chosen] = np.where(fate < MASK, vocab_size, np.where(fate < MASK + OTHER, others, ids[chosen]))
    return np.stack((inputs, targets))


@torch.no_grad()
def masked_loss(
    model: LanguageModel,
    stream: TokenStream,
    batch_size: int,
    max_tokens: int | None = None,
) -> StreamLoss:
    """Loss of the tokens masked in the first `max_tokens` tokens of `stream` (all by default).

    The stream is cut into windows of `block_size`; a shorter one at the end is left out. What is masked depends
    on a window's number alone, so that each look, and each training, has the same to find.
    """
    total = len(stream) if max_tokens is None else min(max_tokens, len(stream))
    width = min(model.config.block_size, total)
    device = model.token_embedding.weight.device
    rows = range(total // width)
    nats = 0.0
    was_training = model.training
    model.eval()
    for start in range(0, len(rows), batch_size):
        masked = [
            mask_row(
                stream.window(row * width, width), stream.vocab_size, stream.eos_id, (0, row, VALIDATION)
            )
            for row in rows[start : start + batch_size]
        ]
        x, y = torch.from_numpy(np.stack(masked)).to(device).unbind(1)
        documents = document_ids(x, stream.eos_id) if model.config.document_mask else None
        nats += float(model.loss(x, y, reduction="none", documents=documents).double().sum())
    model.train(was_training)
    return StreamLoss(nats, len(rows) * masked_per_row(width), 0.0, 0)


def validation_loss(
    model: LanguageModel,
    stream: TokenStream,
    batch_size: int,
    max_tokens: int | None = None,
) -> StreamLoss:
    """The objective that the model is trained on, over a stream; draws no random number."""
    score = stream_loss if model.causal else masked_loss
    return score(model, stream, batch_size, max_tokens)


def loss_without_context(model: LanguageModel, train: TokenStream, stream: TokenStream) -> float:
    """Nats a target of the best guess that looks at no other token: a model that has learned is below it.

    It knows how often each token occurs in `train` (add-one smoothed). Where tokens are masked it also knows
    how, and sees what stands in the token's own place: a token that is shown there is either the one looked
    for, or was drawn from all.
    """
    if model.causal:
        return unigram_loss(train, stream).per_token
    text = np.arange(train.vocab_size) != train.eos_id
    p, q = (train.counts()[text] + 1.0), stream.counts()[text].astype(float)
    p, q, u = p / p.sum(), q / q.sum(), 1 / len(p)  # what is known, what is there, what replaces it
    unseen = -float(q @ np.log(p))
    kept = -float(q @ np.log(p * (1 + u) / (p + u)))
    other = unseen - math.log(u) + float(np.log(p + u).mean()) - u * math.log(1 / u + 1)
    return MASK * unseen + OTHER * other + (1 - MASK - OTHER) * kept
