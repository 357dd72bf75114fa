"""`dedupe`: MinHash-LSH over word n-grams, the split of whole clusters, decontamination."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gptmill.params import Name, NonEmpty, PositiveInt, Section

PRESETS: dict[str, dict[str, Any]] = {
    # Copies with a word changed here and there; texts that differ in substance stay apart.
    "default": {"ngram_size": 5, "similarity": 0.7, "recall": 0.995},
    # Also copies with 5 % of their words edited (a Jaccard similarity of about 0.67).
    "thorough": {"ngram_size": 5, "similarity": 0.5, "recall": 0.9},
}
# A signature's length. More hashes allow more rows, so fewer needless comparisons, and cost time
# themselves: from 0.5 to 0.9 similarity 160 keep both small.
HASHES = 160
MOST_BANDS = 1000  # a signature of that many hashes costs more than all the rest

Above0 = Annotated[float, Field(gt=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
SUFFIXES = (".tsv", ".jsonl", ".parquet", ".txt")


class TaskFile(Section):
    """A file of test examples: each text of `columns` is an example.

    Columns are names, in a .tsv without a header line numbers from 0; a .txt has an example a line and
    no columns.
    """

    name: Name
    path: NonEmpty
    columns: list[NonEmpty | Annotated[int, Field(ge=0)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def can_be_read(self) -> TaskFile:
        if not self.path.endswith(SUFFIXES):
            raise ValueError(f"path: {self.path} is no {', '.join(SUFFIXES)} file")
        if self.path.endswith(".txt") == bool(self.columns):
            wanted = "has no columns" if self.columns else "needs columns: the names of those that hold text"
            raise ValueError(f"columns: {self.path} {wanted}")
        if len({type(column) for column in self.columns}) > 1:
            raise ValueError(f"columns: names or numbers, not both; found {self.columns}")
        if not self.path.endswith(".tsv") and any(isinstance(column, int) for column in self.columns):
            raise ValueError(f"columns: numbers are for .tsv files; found {self.columns} for {self.path}")
        return self


class Decontaminate(Section):
    """A training document goes when it shares `min_share` of the n-grams of words of the shorter one, itself
    or an example; at 0 one n-gram is enough.

    N-grams in more than `max_documents` training documents are stock phrases and count for nothing.
    `splits` and `against`, files of test examples, say against what.
    """

    ngram: Annotated[int, Field(ge=8)]
    min_share: Annotated[float, Field(ge=0.0, le=1.0)]
    max_documents: PositiveInt
    splits: list[Literal["test", "validation"]]
    against: list[TaskFile]

    @model_validator(mode="after")
    def names_differ(self) -> Decontaminate:
        names = [*self.splits, *(task.name for task in self.against)]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"against and splits: names given twice: {', '.join(repeated)}")
        if reserved := {"test", "validation"} & {task.name for task in self.against}:
            raise ValueError(f"against: {', '.join(sorted(reserved))} is the name of a split; choose another")
        return self


class Dedupe(Section):
    """Two documents whose Jaccard similarity over word n-grams reaches `similarity` are one.

    `bands` × `rows` hashes nominate the pairs to compare. More bands find more pairs, more rows nominate
    fewer that are unlike; since every pair is verified, they cost or save time, never precision. Unless
    they are given, they follow from `similarity` and `recall`, the share of pairs at exactly that
    similarity that must be compared. What is not given at all is the preset's.
    """

    preset: Literal["default", "thorough"] = "default"
    ngram_size: PositiveInt
    similarity: Above0
    recall: Share
    bands: PositiveInt
    rows: PositiveInt
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.5)]
    decontaminate: Decontaminate | None = None

    @model_validator(mode="before")
    @classmethod
    def fill_in(cls, raw: Any) -> Any:
        """What is not given is the preset's, bands and rows follow; wrong types are left to pydantic."""
        if not isinstance(raw, dict):
            return raw
        given = {key: value for key, value in raw.items() if value is not None}
        filled = PRESETS.get(str(given.get("preset", "default")), PRESETS["default"]) | given
        similarity, recall = filled["similarity"], filled["recall"]
        sound = all(isinstance(x, int | float) and 0 < x <= 1 for x in (similarity, recall)) and recall < 1
        rows, bands = filled.get("rows"), filled.get("bands")
        if not sound or not all(x is None or (type(x) is int and x > 0) for x in (rows, bands)):
            return {"bands": 1, "rows": 1} | filled
        if rows and bands and "recall" not in given:
            filled["recall"] = min(max(chance(similarity, bands, rows), 1e-9), 1 - 1e-9)
        bands, rows = bands_and_rows(similarity, recall, bands, rows)
        return filled | {"bands": bands, "rows": rows}

    def chance(self, similarity: float) -> float:
        """The S-curve: the probability that a pair of this Jaccard similarity is compared at all."""
        return chance(similarity, self.bands, self.rows)

    @model_validator(mode="after")
    def finds_what_it_drops(self) -> Dedupe:
        # Too few bands for their rows drop next to nothing, and nothing else would tell.
        found = self.chance(self.similarity)
        if found < max(0.5, self.recall - 1e-9):
            raise ValueError(
                f"bands = {self.bands} and rows = {self.rows} compare only {found:.1%} of the pairs of "
                f"similarity = {self.similarity}; at least {max(0.5, self.recall):.1%} is needed: more bands "
                "or fewer rows, or leave both out and let recall choose them"
            )
        if self.bands > MOST_BANDS:
            raise ValueError(
                f"similarity = {self.similarity} and recall = {self.recall} need {self.bands} bands, more than "
                f"{MOST_BANDS}: raise similarity or lower recall"
            )
        return self


def chance(similarity: float, bands: int, rows: int) -> float:
    """1 − (1 − s^rows)^bands: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.2."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def bands_and_rows(
    similarity: float, recall: float, bands: int | None = None, rows: int | None = None
) -> tuple[int, int]:
    """The most rows, and the fewest bands for them, that compare the share `recall` of pairs at `similarity`.

    The most rows within `HASHES` hashes: of two signatures with the same recall at the threshold, the one
    with more rows is steeper and nominates fewer pairs below it. What is given stays as it is.
    """
    if rows is None:
        fitting = [r for r in range(1, HASHES + 1) if (bands or _bands(similarity, recall, r)) * r <= HASHES]
        found = [r for r in fitting if bands is None or chance(similarity, bands, r) >= recall]
        rows = max(found, default=1)
    return bands or _bands(similarity, recall, rows), rows


def _bands(similarity: float, recall: float, rows: int) -> int:
    """The fewest bands of `rows` rows with the recall asked for."""
    agree = similarity**rows
    if agree >= 1.0:
        return 1
    if agree < 1e-12:
        return 10**9
    return max(1, math.ceil(math.log1p(-recall) / math.log1p(-agree) - 1e-9))
