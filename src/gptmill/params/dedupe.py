"""`dedupe`: MinHash-LSH over word n-grams, then the split of whole clusters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gptmill.params import PositiveInt, Section


class Dedupe(Section):
    ngram_size: PositiveInt
    bands: PositiveInt
    rows: PositiveInt
    similarity: Annotated[float, Field(gt=0.0, le=1.0)]
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]
