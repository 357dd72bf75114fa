"""`evaluate`: how much at once, and what to continue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gptmill.params import NonEmpty, PositiveInt, Section


class Evaluate(Section):
    batch_size: PositiveInt
    prompts: Annotated[list[NonEmpty], Field(min_length=1)]
    sample_tokens: PositiveInt
    temperature: Annotated[float, Field(ge=0.0)]
    top_k: Annotated[int, Field(ge=0)]
