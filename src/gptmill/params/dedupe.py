"""`dedupe`: MinHash-LSH over word n-grams, then the split of whole clusters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from gptmill.params import PositiveInt, Section


class Dedupe(Section):
    """Two documents whose Jaccard similarity over word n-grams reaches `similarity` are one.

    `bands` × `rows` hashes nominate the pairs to compare. More bands find more pairs, more rows nominate
    fewer that are unlike; since every pair is verified, they cost or save time, never precision.
    """

    ngram_size: PositiveInt
    bands: PositiveInt
    rows: PositiveInt
    similarity: Annotated[float, Field(gt=0.0, le=1.0)]
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]

    def chance(self, similarity: float) -> float:
        """The S-curve: the probability that a pair of this Jaccard similarity is compared at all."""
        return float(1.0 - (1.0 - similarity**self.rows) ** self.bands)

    @model_validator(mode="after")
    def finds_what_it_drops(self) -> Dedupe:
        # Too few bands for their rows drop next to nothing, and nothing else would tell.
        chance = self.chance(self.similarity)
        if chance < 0.5:
            raise ValueError(
                f"bands = {self.bands} and rows = {self.rows} compare only {chance:.1%} of the pairs of "
                f"similarity = {self.similarity}; at least 50% is needed: more bands or fewer rows"
            )
        return self
