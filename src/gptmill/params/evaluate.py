"""`evaluate`: how much at once, what is measured on how many, and what to continue."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from gptmill.params import NonEmpty, PositiveInt, Section


def _rising(edges: list[int]) -> list[int]:
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"{edges} must rise: each is where the next bin begins")
    return edges


class Memorisation(Section):
    """`prompts` of train and as many of test, of `tokens` each, and as many tokens to be continued."""

    prompts: PositiveInt
    tokens: PositiveInt


class Evaluate(Section):
    batch_size: PositiveInt
    stride: PositiveInt | None  # of the sliding window, in tokens; null: three quarters of block_size
    length_bins: Annotated[list[PositiveInt], AfterValidator(_rising)]  # bytes
    zero_shot_examples: Annotated[int, Field(ge=0)]  # of each task's test split; 0: none
    memorisation: Memorisation
    prompts: Annotated[list[NonEmpty], Field(min_length=1)]
    sample_tokens: PositiveInt
    temperature: Annotated[float, Field(ge=0.0)]
    top_k: Annotated[int, Field(ge=0)]
