"""Do our presets decide as datatrove's filters do, given the same words and sentences?

datatrove's own splitters (spaCy) are replaced by ours: words are what stands between white space,
sentences what `gptmill.corpus.lines.sentences` counts. What remains to compare are the rules.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from gptmill.corpus.lines import sentences
from gptmill.corpus.measure import measure
from gptmill.corpus.presets import PRESETS

FILTERS = "datatrove.pipeline.filters"
# preset → datatrove's filters, by module and class
THEIRS = {
    "gopher": [
        ("gopher_quality_filter", "GopherQualityFilter"),
        ("gopher_repetition_filter", "GopherRepetitionFilter"),
    ],
    "c4": [("c4_filters", "C4QualityFilter")],
    "fineweb": [("fineweb_quality_filter", "FineWebQualityFilter")],
}


@contextlib.contextmanager
def our_splitters() -> Iterator[None]:
    """Within, datatrove's filters split as we do."""
    with contextlib.ExitStack() as stack:
        for module in ("gopher_quality_filter", "gopher_repetition_filter", "fineweb_quality_filter"):
            stack.enter_context(
                mock.patch(f"{FILTERS}.{module}.split_into_words", lambda text, _: text.split())
            )
        stack.enter_context(
            mock.patch(f"{FILTERS}.c4_filters.split_into_sentences", lambda line, _: [line] * sentences(line))
        )
        yield


def their_filters(preset: str) -> list[Callable[[Any], Any]]:
    """datatrove's filters of a preset, with their default limits."""
    import importlib

    return [getattr(importlib.import_module(f"{FILTERS}.{m}"), name)().filter for m, name in THEIRS[preset]]


def their_reasons(preset: str, texts: Sequence[str]) -> list[str | None]:
    """Why datatrove drops each text; None: it keeps it."""
    from datatrove.data import Document

    filters = their_filters(preset)
    return [_reason(filters, lambda: Document(text=text, id="")) for text in texts]  # noqa: B023


def _reason(filters: list[Callable[[Any], Any]], document: Callable[[], Any]) -> str | None:
    for keep in filters:
        answer = keep(document())  # a new one: C4's filter edits it
        if answer is not True:
            return str(answer[1])
    return None


def our_reasons(preset: str, columns: dict[str, Any]) -> list[str | None]:
    """The first rule of the preset that each text fails; None: it is kept."""
    failed = [
        (name, (columns[name] < limits.get("min", -1)) | (columns[name] > limits.get("max", float("inf"))))
        for name, limits in PRESETS[preset].items()
    ]
    n = len(columns["n_words"])
    return [next((name for name, fails in failed if fails[i]), None) for i in range(n)]


def compare(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each preset: how many texts, how many both drop, and each text on which the decisions differ."""
    columns = measure(texts)
    found = {}
    for preset in THEIRS:
        ours = our_reasons(preset, columns)
        with our_splitters():
            theirs = their_reasons(preset, texts)
        found[preset] = {
            "documents": len(texts),
            "dropped_by_both": sum(
                a is not None and b is not None for a, b in zip(ours, theirs, strict=True)
            ),
            "differences": [
                {"document": i, "ours": a, "datatrove": b}
                for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
                if (a is None) != (b is None)
            ],
        }
    return found
