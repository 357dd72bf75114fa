"""How much of its training text a model gives back word for word.

A prompt is a run of tokens from within a document, and the model continues it greedily; the share of prompts
that it continues as the document does is how much of such text can be drawn from it (Carlini et al. 2022,
"Quantifying Memorization Across Neural Language Models", 50 tokens after 50). The same of test documents,
which it has not seen, says how much of that is mere predictability.

Greedy decoding repeats a text for as long as the likeliest token is the text's own at every place, given the
text before it. So one pass over prompt and continuation together answers it, and nothing is generated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gptmill.evaluation.corpus import Document
from gptmill.evaluation.statistics import Array
from gptmill.models.language_model import LanguageModel
from gptmill.tokens.shards import TokenStream

Z = 1.959964  # of a normal distribution's central 95 %


def draw_runs(
    stream: TokenStream, documents: Sequence[Document], *, prompts: int, length: int, seed: Sequence[int]
) -> Array:
    """Runs `(n, 2 · length)` of ids: a prompt and what follows it, each from another document.

    Documents that are too short are passed over, so `n` may be less than `prompts`. The generator is its own:
    the same documents and seed give the same runs.
    """
    rng = np.random.default_rng(seed)
    fit = [document for document in documents if document.tokens >= 2 * length]
    chosen = sorted(rng.permutation(len(fit))[:prompts].tolist())
    starts = [fit[i].start + int(rng.integers(fit[i].tokens - 2 * length + 1)) for i in chosen]
    return np.array([stream.window(start, 2 * length) for start in starts]).reshape(-1, 2 * length)


@torch.no_grad()
def matched_tokens(model: LanguageModel, runs: Array, batch_size: int) -> Array:
    """How many tokens of each run's second half greedy decoding of the first half gives before it differs.

    Args:
        runs: `(n, 2 · length)` ids, no longer than the model's `block_size` reads, less its last.
    """
    device = model.token_embedding.weight.device
    length = runs.shape[1] // 2
    parts = [np.zeros(0, dtype=np.int64)]
    for low in range(0, len(runs), batch_size):
        ids = torch.from_numpy(runs[low : low + batch_size]).to(device)
        hidden = model.hidden(ids[:, :-1])[:, length - 1 :]
        right = model.logits(hidden).argmax(dim=2) == ids[:, length:]
        parts.append(right.long().cumprod(dim=1).sum(dim=1).cpu().numpy())
    return np.concatenate(parts)


def share_verbatim(matched: Array, length: int) -> dict[str, Any]:
    """prompts, verbatim (continued as the text for all of `length` tokens), share, low and high.

    The interval is Wilson's (1927): unlike the bootstrap it is not [0, 0] where nothing was found.
    """
    n, hits = len(matched), int((matched >= length).sum())
    if not n:
        return {"prompts": 0, "verbatim": 0}
    share, z2 = hits / n, Z**2 / n
    middle, half = share + z2 / 2, Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    low, high = max(0.0, middle - half) / (1 + z2), min(1.0, (middle + half) / (1 + z2))
    return {"prompts": n, "verbatim": hits, "share": share, "low": 0.0 if not hits else low, "high": high}


def curve(matched: dict[str, Array], length: int) -> list[dict[str, float]]:
    """For each number of tokens, the share of each split's prompts that were continued so far at least."""
    return [
        {"tokens": count}
        | {f"{split}_share": float((found >= count).mean()) for split, found in matched.items() if len(found)}
        for count in range(1, length + 1)
    ]
