"""What clean does with one document: repair its text, replace personal data, measure it; by the batch.

This is what worker processes import, each of them: no parameters' checks, no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from typing import Any, NamedTuple

import daft
import pyarrow as pa
from daft import DataType, Expression, Series

from gptmill.corpus.boilerplate import part_hashes, without_parts
from gptmill.corpus.gutenberg import strip_boilerplate
from gptmill.corpus.language import identify
from gptmill.corpus.lines import without_c4_lines
from gptmill.corpus.measure import measure
from gptmill.corpus.pii import NOTHING, Redacted, redact
from gptmill.corpus.prose import prose
from gptmill.corpus.signals import COUNTS, PII_KINDS, SIGNALS
from gptmill.corpus.text import repair, settle, tidy_lines

SIGNAL_FIELDS = [
    pa.field(name, pa.int64() if name in COUNTS else pa.float64(), nullable=False) for name in SIGNALS
]
# What a visit to one document gives.
VISIT = pa.struct([("text", pa.string()), ("language", pa.string()), *SIGNAL_FIELDS])
GUTENBERG = ["gutenberg_header", "gutenberg_footer"]


class Options(NamedTuple):
    """Of the stage's parameters, what a visit needs."""

    replace_pii: bool
    c4_lines: bool
    min_words: int  # of a part that may be boilerplate


def visit_with(options: Options, unwanted: frozenset[int]) -> Callable[..., Expression]:
    """A function of columns (text, kind, section) that cleans and measures: a `VISIT` a document."""

    @daft.func.batch(return_dtype=DataType.from_arrow_type(VISIT), use_process=True, batch_size=256)
    def visit(text: Series, kind: Series, section: Series) -> pa.Array:
        texts, counts, removed = [], [], []
        for row in zip(text.to_pylist(), kind.to_pylist(), section.to_pylist(), strict=True):
            cleaned = clean_text(*row, options.replace_pii, options.c4_lines)
            rest, parts = without_parts(cleaned.text, unwanted, options.min_words)
            texts.append(rest)
            counts.append(cleaned.counts)
            removed.append(parts)
        languages, confidence = zip(*map(identify, texts), strict=True) if texts else ((), ())
        columns: dict[str, Any] = {"text": texts, "language": languages, "language_confidence": confidence}
        columns |= {"boilerplate_parts": removed} | measure(texts)
        columns |= {f"pii_{k}": [found[i] for found in counts] for i, k in enumerate(PII_KINDS)}
        return pa.StructArray.from_arrays(
            [pa.array(columns[field.name], field.type) for field in VISIT], fields=list(VISIT)
        )

    return visit


def parts_with(options: Options) -> Callable[..., Expression]:
    """A function of columns (text, kind, section): the hashes of the cleaned text's lines and paragraphs."""

    @daft.func.batch(return_dtype=DataType.list(DataType.int64()), use_process=True, batch_size=256)
    def parts(text: Series, kind: Series, section: Series) -> list[list[int]]:
        rows = zip(text.to_pylist(), kind.to_pylist(), section.to_pylist(), strict=True)
        cleaned = [clean_text(*row, options.replace_pii, options.c4_lines).text for row in rows]
        return [part_hashes(text, options.min_words) for text in cleaned]

    return parts


def clean_text(
    text: str, kind: str | None, section: str | None, replace_pii: bool, c4_lines: bool = False
) -> Redacted:
    """One text repaired, without boilerplate, code (of docstrings) and, on request, personal data.

    Personal data is counted either way. Cleaning a cleaned text changes nothing.
    """
    counts = NOTHING

    def step(text: str) -> str:
        nonlocal counts
        text = repair(text)
        if kind == "docstrings":
            text = prose(text)
        elif section not in GUTENBERG and (section == "body" or "Gutenberg" in text):
            text = tidy_lines(strip_boilerplate(text))
        if c4_lines:
            text = without_c4_lines(text)
        if replace_pii:
            text, found = redact(text)
            counts = tuple(map(add, counts, found))
        return text

    text = settle(step, text)
    return Redacted(text, counts if replace_pii else redact(text).counts)
