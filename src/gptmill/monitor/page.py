"""The report page of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gptmill.html.charts import Axis, Series, histogram
from gptmill.html.page import code, figure, grid, legend, page, paragraph, table, tiles
from gptmill.html.text import Markup, join
from gptmill.monitor.compare import Comparison, shown
from gptmill.monitor.signals import MEANINGS
from gptmill.shown import number, share, shortened, visible

Array = np.ndarray[Any, np.dtype[Any]]
BINS, ROWS = 24, 10
SHOWN = {
    "length": "median bytes",
    "vocabulary": "mean share of words",
    "language": "share in English",
    "bits per byte": "mean",
    "embedding": "length of the mean",
}


def monitor_page(found: Comparison, what: str, model: str) -> str:
    """The whole page.

    Args:
        what: names the batch.
        model: names the model, such as `gptmill version 3`.
    """
    verdict = f"Drift in {', '.join(found.drifted)}." if found.drifted else "No drift."
    lead = f"{verdict} {what}, against the held-out documents of what {model} was made from."
    sections = [
        ("Signals", _signals(found)),
        ("Distributions", _distributions(found)),
        ("New words", _words(found)),
        ("Languages", _languages(found)),
        ("How it is decided", _method(found)),
    ]
    return page("Has the text moved?", lead, sections)


def _signals(found: Comparison) -> Markup:
    rows = [
        [
            name,
            f"{SHOWN[name]}: {number(float(f'{shown(found.reference, name):.4g}'))}",
            number(float(f"{shown(found.batch, name):.4g}")),
            f"{result.distance:.3f}",
            f"{result.adjusted:.4f}",
            "drift" if result.drifted else "no",
        ]
        for name, result in found.results.items()
    ]
    head = ["signal", "corpus", "batch", "distance", "p, adjusted", "drift"]
    figures = tiles(
        [
            (number(len(found.batch.units)), "texts in the batch", f"{found.batch.n_units:,} independent"),
            (
                number(len(found.reference.units)),
                "texts of the corpus",
                f"{found.reference.n_units:,} independent",
            ),
            (str(len(found.drifted)), "signals that drift", f"of {len(found.results)}"),
        ]
    )
    notes = [paragraph(note) for note in found.notes]
    return join([figures, table("Each signal, by what is independent", head, rows), *notes])


def _distributions(found: Comparison) -> Markup:
    old, new = found.reference, found.batch
    drawings = [
        _pair("length", "bytes of text", old.bytes, new.bytes, log=True),
        _pair("vocabulary", "share of words", old.coverage, new.coverage),
        _pair("bits per byte", "bits per byte", old.bits, new.bits),
    ]
    colours = [("kept", "corpus"), ("lost", "batch")]
    return join([legend(colours), grid([drawing for drawing in drawings if drawing])])


def _pair(name: str, unit: str, old: Array, new: Array, log: bool = False) -> Markup:
    """Two histograms on one axis, one above the other."""
    both = np.concatenate([old, new])
    low, high = float(both.min()), float(both.max())
    if log:
        edges = np.geomspace(max(low, 1.0), max(high, low + 1, 2.0) * 1.001, BINS + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    axis = Axis([float(edge) for edge in edges], unit, log)
    drawn = [
        histogram(f"{name}, {side}", axis, [Series(side, colour, _counts(values, edges))], y_unit="texts")
        for side, colour, values in (("corpus", "kept", old), ("batch", "lost", new))
    ]
    return figure(join(drawn), f"{MEANINGS[name].capitalize()}.", title=name)


def _counts(values: Array, edges: Array) -> Sequence[int]:
    inside = np.clip(values, edges[0], edges[-1])
    return [int(count) for count in np.histogram(inside, edges)[0]]


def _words(found: Comparison) -> Markup:
    if not found.new_words:
        return paragraph("The training text has all words of the batch.")
    rows = [[visible(shortened(word, 40)), number(count)] for word, count in found.new_words]
    return table("Words that no training text has, by the number of texts with them", ["word", "texts"], rows)


def _languages(found: Comparison) -> Markup:
    sides = [Counter(side.languages) for side in (found.reference, found.batch)]
    most = sorted(sides[0] | sides[1], key=lambda name: (-max(sides[0][name], sides[1][name]), name))[:ROWS]
    rows = [[name, *(share(side[name], side.total()) for side in sides)] for name in most]
    return table("Texts by language", ["language", "corpus", "batch"], rows)


def _method(found: Comparison) -> Markup:
    limits = found.limits
    meanings = [[name, MEANINGS[name]] for name in found.results]
    return join(
        [
            paragraph(
                "Each signal of each independent text (a file, a module, a row or a prompt; the mean over its "
                "pieces) is compared by the energy distance, as a share of the mean distance between the two "
                f"sides; its p value comes from {number(limits.permutations)} permutations. A signal drifts "
                f"when p, adjusted for the number of signals by Holm's method, is at most {limits.alpha:g} "
                f"and the distance at least {limits.distance:g}. A batch from the same source is called "
                f"drift at most once in {number(round(1 / limits.alpha))} times. "
            ),
            table("What each signal is", ["signal", "measured"], meanings),
            paragraph("More: ", code("docs/monitoring.md")),
        ]
    )
