"""How the next token is chosen from its scores: what lowers them, what may be drawn, and the draw.

Shapes: B batch, V vocabulary, K tokens that may be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptmill.errors import UserError


def check(name: str, value: float, ok: bool, allowed: str) -> None:
    """Raises UserError: for a setting that is not possible."""
    if not ok:
        raise UserError(f"{name} = {value} is not possible; allowed: {allowed}")


@dataclass(frozen=True)
class Sampling:
    """Settings of the choice, applied in this order, which is transformers'.

    Attributes:
        repetition_penalty: a token that stands in the text already has its score divided by this where it is
            positive, and multiplied where it is negative (Keskar et al. 2019, "CTRL", section 4.1). 1 is off.
        temperature: scores are divided by it; 0 takes the likeliest token, and nothing is drawn.
        top_k: only so many of the likeliest tokens (Fan et al. 2018); 0 is all.
        top_p: only the fewest likeliest tokens that have this probability together (Holtzman et al. 2020,
            "nucleus sampling"). 1 is all.
        min_p: only tokens at least this share as likely as the likeliest (Nguyen et al. 2024). 0 is all.

    Raises:
        UserError: for a setting out of range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        t, r = self.temperature, self.repetition_penalty
        check("temperature", t, 0 <= t < math.inf, "0 or more (0 takes the likeliest token)")
        check(
            "top_k", self.top_k, self.top_k >= 0 and self.top_k == int(self.top_k), "0 (every token) or more"
        )
        check("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, up to 1 (every token)")
        check("min_p", self.min_p, 0 <= self.min_p <= 1, "from 0 (every token) to 1")
        check("repetition_penalty", r, 0 < r < math.inf, "above 0 (1 is none, more discourages repetition)")


def penalise(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Scores `(B, V)` with those of the tokens that are `seen` `(B, V)` made worse."""
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def candidates(scores: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """What may be drawn: scores over temperature `(B, K)`, -inf for what may not, and token ids `(B, K)`.

    The likeliest token always may.
    """
    vocab_size = scores.shape[-1]
    few = 0 < sampling.top_k < vocab_size
    if not few and sampling.top_p == 1.0 and sampling.min_p == 0.0:
        return scores / sampling.temperature, torch.arange(vocab_size).expand_as(scores)
    values, ids = scores.topk(sampling.top_k if few else vocab_size)  # the likeliest first
    values = values / sampling.temperature
    if sampling.top_p < 1.0:
        shares = values.softmax(-1)
        before = shares.cumsum(-1) - shares
        before[..., 0] = 0.0
        values = values.masked_fill(before >= sampling.top_p, -torch.inf)
    if sampling.min_p > 0.0:
        shares = values.softmax(-1)
        values = values.masked_fill(shares < sampling.min_p * shares[..., :1], -torch.inf)
    return values, ids


def choose(scores: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> list[int]:
    """One id for each row of `scores` `(B, V)`, drawn with the row's own generator."""
    if sampling.temperature == 0.0:
        return scores.argmax(-1).tolist()
    values, ids = candidates(scores, sampling)
    shares = values.softmax(-1)
    drawn = [torch.multinomial(row, 1, generator=own) for row, own in zip(shares, generators, strict=True)]
    return ids.gather(-1, torch.stack(drawn)).squeeze(-1).tolist()
