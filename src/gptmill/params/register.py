"""`register`: the registry's name for the model, and when a challenger becomes champion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gptmill.params import Name, NonEmpty, Section


class Register(Section):
    """The champion changes hands when the challenger is better beyond noise, and nowhere much worse.

    Better: the interval of its gain on `primary`, paired document by document, lies above `min_gain`.
    Nowhere much worse: on each other score, the interval of its gain lies above minus that score's margin.
    """

    name: Name
    primary: NonEmpty  # bits_per_byte, or a task's accuracy such as tasks.provenance
    min_gain: Annotated[float, Field(ge=0.0)]
    margins: dict[NonEmpty, Annotated[float, Field(ge=0.0)]]  # a score, or `tasks` for every task not named
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]
    resamples: Annotated[int, Field(ge=100)]
    smoke_prompt: str | None  # the served model must continue it; null asks nothing
