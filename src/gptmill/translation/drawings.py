"""Inline SVG of the page: score by source length with intervals, and heat maps of alignments.

Coordinates are written with one decimal, so equal numbers give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gptmill.html.charts import svg, ticks
from gptmill.html.text import Markup, escape
from gptmill.shown import shortened, visible

LEFT, RIGHT, TOP, BOTTOM = 42.0, 14.0, 18.0, 36.0  # room for the axes' labels
NUDGE = 3.0  # between the intervals of two systems at the same length
CELL = 15.0


class Point(NamedTuple):
    """A figure at a source length, with its interval."""

    length: float
    value: float
    low: float
    high: float


def by_length(
    title: str, systems: Sequence[tuple[str, str, Sequence[Point]]], unit: str, width: float = 720
) -> Markup:
    """A line a system, its points with their intervals (after Bahdanau et al. 2014, figure 2).

    Args:
        systems: name, colour (a custom property of the style sheet), points.
    """
    height = 0.45 * width + 40
    lengths = [point.length for _, _, points in systems for point in points] or [0.0, 1.0]
    values = [value for _, _, points in systems for point in points for value in (point.low, point.high)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.05
    low, high = low - margin, high + margin
    left, right = min(lengths) - 1, max(lengths) + 1
    inner, tall, bottom = width - LEFT - RIGHT, height - TOP - BOTTOM, height - BOTTOM

    def x(length: float) -> float:
        return LEFT + inner * (length - left) / (right - left)

    def y(value: float) -> float:
        return bottom - tall * (value - low) / (high - low)

    parts = [f"<title>{escape(title)}</title>"]
    for value in ticks(low, high, 5):
        parts.append(f'<path class="axis" d="M{LEFT:.1f} {y(value):.1f}h{inner:.1f}" />')
        parts.append(_label(LEFT - 5, y(value) + 4, f"{value:g}", "end"))
    for value in ticks(left, right, 6):
        parts.append(f'<path class="axis" d="M{x(value):.1f} {bottom:.1f}v4" />')
        parts.append(_label(x(value), bottom + 15, f"{value:g}", "middle"))
    for n, (name, colour, points) in enumerate(systems):
        shift = NUDGE * (n - (len(systems) - 1) / 2)
        line = "L".join(f"{x(p.length) + shift:.1f} {y(p.value):.1f}" for p in points)
        bars = "".join(
            f"M{x(p.length) + shift:.1f} {y(p.low):.1f}V{y(p.high):.1f}" for p in points if p.high > p.low
        )
        stroke = f"fill:none;stroke:var(--{colour})"
        parts.append(
            f'<path style="{stroke};stroke-width:2" d="M{line}"><title>{escape(name)}</title></path>'
        )
        if bars:
            parts.append(f'<path style="{stroke};stroke-width:1.5;opacity:.6" d="{bars}" />')
        for p in points:
            told = f"{name}, {p.length:.1f} tokens: {p.value:.3f} [{p.low:.3f}, {p.high:.3f}]"
            parts.append(
                f'<circle style="fill:var(--{colour})" cx="{x(p.length) + shift:.1f}" cy="{y(p.value):.1f}" r="3.5">'
                f"<title>{escape(told)}</title></circle>"
            )
    parts.append(_label(width - RIGHT, bottom + 30, "source length (tokens)", "end"))
    parts.append(_label(0, TOP - 6, unit, "start"))
    return svg(width, height, title, parts)


def heat_map(title: str, alignment: dict[str, Any]) -> Markup:
    """Source tokens from left to right, written ones downwards; the darker, the more weight. Each row sums to 1."""
    source, written = alignment["source"], alignment["written"]
    left, top = 44.0, 74.0
    width, height = left + CELL * len(source) + 4, top + CELL * len(written) + 4
    parts = [f"<title>{escape(title)}</title>"]
    for i, token in enumerate(source):
        x = left + CELL * (i + 0.5)
        parts.append(
            f'<text class="soft" x="{x:.1f}" y="{top - 5:.1f}" transform="rotate(-60 {x:.1f} {top - 5:.1f})">'
            f"{escape(_token(token))}</text>"
        )
    for t, (token, weights) in enumerate(zip(written, alignment["weights"], strict=True)):
        y = top + CELL * t
        parts.append(_label(left - 5, y + 11, _token(token), "end"))
        for i, weight in enumerate(weights):
            if weight >= 0.02:
                parts.append(
                    f'<rect class="kept" x="{left + CELL * i:.1f}" y="{y:.1f}" width="{CELL - 1:g}" '
                    f'height="{CELL - 1:g}" opacity="{weight:.2f}" />'
                )
    frame = (
        f"M{left:.1f} {top:.1f}h{CELL * len(source):.1f}v{CELL * len(written):.1f}h{-CELL * len(source):.1f}z"
    )
    parts.append(f'<path class="axis" d="{frame}" />')
    return svg(width, height, title, parts)


def _token(text: str) -> str:
    """A token as one can see it: a space is an open box."""
    return shortened(visible(text).replace(" ", "␣"), 9)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="soft" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
