"""The report's drawings: flows of documents and bytes, histograms of lengths and signals."""

from __future__ import annotations

from gptmill.corpus.report.figures import SPLITS, Figures
from gptmill.corpus.report.histograms import SignalHistogram
from gptmill.html.charts import Axis, Series, histogram
from gptmill.html.flow import Branch, Node, flow
from gptmill.html.page import figure, legend, paragraph
from gptmill.html.text import Markup, join
from gptmill.shown import number, share, size

UNIT = 34  # characters that fit under an axis
REASONS = 7  # that a node names; the others make one branch
# What a node is called: what the stage above it has left over.
NODES = {"collect": "Read", "clean": "Collected", "dedupe": "Cleaned"}


def flows(figures: Figures) -> Markup:
    """The stream of documents, and that of bytes."""
    colours = [("kept", "kept"), ("lost", "dropped"), ("edited", "cut out of documents")]
    return join(
        [
            legend(colours),
            figure(
                flow("Documents through the stages", _nodes(figures, "documents"), number),
                "Documents: what each stage read, what left it and why; shares are of what the stage read.",
                wide=True,
            ),
            figure(
                flow("Bytes through the stages", _nodes(figures, "bytes"), size),
                _bytes_caption(figures),
                wide=True,
            ),
        ]
    )


def _bytes_caption(figures: Figures) -> str:
    gained = -figures["stages"]["clean"]["edited_bytes"]
    more = f" Cleaning made texts longer by {size(gained)} in all." if gained > 0 else ""
    return f"Bytes of text in UTF-8; a dropped document counts as cleaned.{more}"


def _nodes(figures: Figures, unit: str) -> list[Node]:
    nodes = []
    for stage, label in NODES.items():
        numbers = figures["stages"][stage]
        branches = _dropped({reason: part[unit] for reason, part in numbers["dropped"].items()})
        edited = numbers["edited_bytes"]
        if unit == "bytes" and edited > 0:
            branches.insert(0, Branch("cut out by cleaning", edited, "edited"))
        # Where cleaning added bytes, what entered is too little for what left.
        value = numbers["read"][unit] - min(0, edited if unit == "bytes" else 0)
        nodes.append(Node(label, value, tuple(branches)))
    splits = figures["splits"]
    held_out = [Branch(name, splits[name][unit], "kept") for name in SPLITS if name != "train"]
    nodes.append(Node("Kept", figures["stages"]["dedupe"]["kept"][unit], tuple(held_out)))
    nodes.append(Node("For training", splits["train"][unit], ()))
    return nodes


def _dropped(reasons: dict[str, int]) -> list[Branch]:
    """A branch for each of the weightiest reasons, and one for the rest together."""
    ranked = sorted((-value, reason) for reason, value in reasons.items() if value)
    shown, rest = ranked[:REASONS], ranked[REASONS:]
    if len(rest) == 1:
        shown, rest = ranked, []
    branches = [Branch(reason, -value, "lost") for value, reason in shown]
    if rest:
        branches.append(Branch(f"{len(rest)} other reasons", -sum(value for value, _ in rest), "lost"))
    return branches


def length_figure(edges: list[float], counts: dict[str, list[int]]) -> Markup:
    """Documents by size."""
    series = [
        Series("kept", "kept", counts["kept"]),
        Series("dropped by dedupe", "lost", counts["dedupe"]),
        Series("dropped by clean", "lost-soft", counts["clean"]),
    ]
    colours = [("kept", "kept"), ("lost", "dropped by dedupe"), ("lost-soft", "dropped by clean")]
    draw = [
        histogram(
            "Documents by length", Axis(edges, "bytes of cleaned text", log=True), series, (), width, tall
        )
        for width, tall in ((720, 230), (340, 200))
    ]
    both = Markup(f'<div class="broad">{draw[0]}</div>\n<div class="narrow">{draw[1]}</div>')
    note = "Each bar is a doubling of the length; texts that cleaning left empty are not shown."
    return join(
        [
            paragraph(note),
            legend(colours),
            figure(both, "Documents by the length of their cleaned text", wide=True),
        ]
    )


def signal_figure(item: SignalHistogram, meaning: str) -> Markup:
    """One signal's histogram with its limits."""
    bounds = {"min": item.limits.min, "max": item.limits.max} if item.limits else {}
    limits = [(name, bound) for name, bound in bounds.items() if bound is not None]
    series = [
        Series("kept", "kept", item.kept),
        Series("dropped by this rule", "lost", item.dropped_here),
        Series("dropped by another", "lost-soft", item.dropped_elsewhere),
    ]
    unit = "share" if meaning.startswith("share of") else meaning if len(meaning) <= UNIT else ""
    drawing = histogram(f"Documents by {item.signal}", Axis(item.edges, unit, item.log), series, limits)
    said = [f"{meaning[:1].upper()}{meaning[1:]}."] if meaning else []
    if item.limits:
        said.append(f"Drops {number(sum(item.dropped_here))}.")
    if item.zeros:
        said.append(f"{share(item.zeros, item.documents)} are at 0, not drawn.")
    return figure(drawing, " ".join(said), title=item.signal)
