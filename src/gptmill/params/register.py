"""`register`: the registry's name for the model, and when a challenger becomes champion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gptmill.params import Name, Section


class Register(Section):
    """The champion changes hands when the challenger's `metric` (lower is better) wins by `min_gain`."""

    name: Name
    metric: Literal["bits_per_byte", "perplexity"]
    min_gain: Annotated[float, Field(ge=0.0)]
