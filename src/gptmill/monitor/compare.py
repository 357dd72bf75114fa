"""A batch against the corpus that a model was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gptmill.errors import UserError
from gptmill.monitor.drift import MIN_UNITS, Limits, Result, signal_results
from gptmill.monitor.signals import MEANINGS, Measured, measure
from gptmill.monitor.texts import Texts, documents, read_documents
from gptmill.monitor.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gptmill.tracking.package import Package

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Comparison:
    """What was measured on both sides, and what it says."""

    reference: Measured
    batch: Measured
    results: dict[str, Result]
    new_words: list[tuple[str, int]]
    limits: Limits
    notes: list[str] = field(default_factory=list)

    @property
    def drifted(self) -> list[str]:
        return [name for name, result in self.results.items() if result.drifted]

    def figures(self) -> dict[str, Any]:
        """For machines: JSON that depends on the texts and the model alone."""
        sides = {"corpus": self.reference, "batch": self.batch}
        return {
            "drift": bool(self.drifted),
            "limits": {"alpha": self.limits.alpha, "distance": self.limits.distance},
            "texts": {name: len(side.units) for name, side in sides.items()},
            "units": {name: side.n_units for name, side in sides.items()},
            "signals": {
                name: {
                    "distance": round(result.distance, 6),
                    "p": result.p,
                    "adjusted_p": result.adjusted,
                    "drift": result.drifted,
                    **{side: round(shown(measured, name), 6) for side, measured in sides.items()},
                }
                for name, result in self.results.items()
            },
            "new_words": [word for word, _ in self.new_words],
        }


def compare(
    package: Package, corpus: Path, batch: Texts, limits: Limits, *, prompts: bool = False
) -> Comparison:
    """Compare `batch` with the held-out documents of `corpus`, a documents.parquet of `dedupe`.

    Held out, because a model has seen the others: whatever it is given, it would find harder.

    Args:
        prompts: the batch is prompts, which are beginnings: the documents are cut to their lengths, and
            length is no signal.

    Raises:
        UserError: with too few units on a side.
    """
    reference = documents(corpus, HELD_OUT)
    if prompts and batch.texts:
        drawn = np.random.default_rng(0).permutation(len(reference.texts))
        reference = reference.cut([len(batch.texts[i % len(batch.texts)]) for i in drawn])
    for name, side in (("the batch", batch), ("the held-out part of the corpus", reference)):
        if len(set(side.units)) < MIN_UNITS:
            raise UserError(
                f"{name} has {len(set(side.units))} independent texts (files, modules, rows or prompts); "
                f"at least {MIN_UNITS} are needed to tell drift from chance"
            )
    vocabulary = Vocabulary(read_documents(corpus, ["train"]))
    return judge(
        measure(reference, vocabulary, package, new=False),
        measure(batch, vocabulary, package, new=True),
        limits,
        [name for name in MEANINGS if not (prompts and name == "length")],
        vocabulary.missing(batch.texts),
    )


def judge(
    reference: Measured,
    batch: Measured,
    limits: Limits,
    names: list[str],
    new_words: list[tuple[str, int]],
    seed: int = 0,
) -> Comparison:
    """Test the signals `names`."""
    languages = sorted({*reference.languages, *batch.languages})
    expected, found = (side.by_unit(languages, names) for side in (reference, batch))
    results = signal_results(expected, found, limits, seed)
    return Comparison(reference, batch, results, new_words, limits)


def shown(side: Measured, signal: str) -> float:
    """A signal's mean over texts, in the units of the report; for language and embedding a share."""
    match signal:
        case "length":
            return float(np.median(side.bytes))
        case "vocabulary":
            return float(side.coverage.mean())
        case "language":
            return side.languages.count("en") / len(side.languages)
        case "bits per byte":
            return float(side.bits.mean())
        case _:
            return float(np.linalg.norm(side.states.mean(axis=0)))
