"""The five signals of a text, and of a unit: the mean over its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gptmill.corpus.language import identify
from gptmill.monitor.reading import read
from gptmill.monitor.texts import Texts
from gptmill.monitor.vocabulary import NEW, Vocabulary

if TYPE_CHECKING:
    from gptmill.tracking.package import Package

Array = np.ndarray[Any, np.dtype[Any]]
MEANINGS = {
    "length": "bytes of a text, as their logarithm",
    "vocabulary": "share of a text's words that other training texts have",
    "language": "the language that CLD2 names, und where it is not sure",
    "bits per byte": "what a text's beginning costs the model",
    "embedding": "where a text's beginning lies among the model's last states",
}


@dataclass(frozen=True)
class Measured:
    """Signals of the texts of a sample, in their order."""

    units: list[str]
    bytes: Array  # (n,)
    coverage: Array  # (n,)
    languages: list[str]
    bits: Array  # (n,) bits per byte
    states: Array  # (n, C)

    @property
    def n_units(self) -> int:
        return len(set(self.units))

    def by_unit(self, languages: Sequence[str], names: Sequence[str]) -> dict[str, Array]:
        """Signal → `(units,)` or `(units, features)`, for the signals `names`.

        Args:
            languages: those of both samples, in one order.
        """
        place = {name: i for i, name in enumerate(sorted(set(self.units)))}
        unit = np.array([place[name] for name in self.units])
        one_hot = np.array([[name == language for language in languages] for name in self.languages])
        columns = {
            "length": np.log10(np.maximum(self.bytes, 1)),
            "vocabulary": self.coverage,
            "language": one_hot.astype(np.float64),
            "bits per byte": self.bits,
            "embedding": self.states,
        }
        return {name: _means(columns[name], unit, len(place)) for name in names}


def measure(texts: Texts, vocabulary: Vocabulary, package: Package, new: bool) -> Measured:
    """All signals of all texts.

    Args:
        new: the texts come from elsewhere, whatever their units are called.
    """
    bits, states = read(package.model, package.tokenizer, texts.texts)
    pairs = [(text, NEW if new else unit) for text, unit in zip(texts.texts, texts.units, strict=True)]
    return Measured(
        units=texts.units,
        bytes=np.array([len(text.encode()) for text in texts.texts], np.float64),
        coverage=np.array([vocabulary.coverage(text, unit) for text, unit in pairs]),
        languages=[identify(text)[0] for text in texts.texts],
        bits=bits,
        states=states,
    )


def _means(values: Array, unit: Array, n_units: int) -> Array:
    """The mean of `values` `(n, …)` over each unit's texts."""
    sums = np.zeros((n_units, *values.shape[1:]))
    np.add.at(sums, unit, values)
    counts = np.bincount(unit, minlength=n_units)
    return np.asarray(sums / counts.reshape(-1, *[1] * (values.ndim - 1)))
