"""Inline SVG of the page: curves over the steps, and figures with their intervals beside a reference.

Coordinates are written with one decimal, so equal numbers give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gptmill.html.charts import svg, ticks
from gptmill.html.text import Markup, escape
from gptmill.shown import short_number

LEFT, RIGHT, TOP, BOTTOM = 38.0, 12.0, 16.0, 34.0  # room for the axes' labels
ROW = 30.0  # height of a line with an interval


@dataclass(frozen=True)
class Curve:
    """Points (x, y), x rising; `colour` is one of the style sheet's custom properties."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def curves(
    title: str,
    drawn: Sequence[Curve],
    x_unit: str,
    y_unit: str,
    level: tuple[str, float] | None = None,
    width: float = 720,
    height: float = 260,
    low: float | None = None,
) -> Markup:
    """Lines over one axis each way.

    Args:
        level: a name and a value, drawn as a dashed line.
        low: where the vertical axis begins; else a little below what is drawn.
    """
    ys = [y for curve in drawn for _, y in curve.points] + ([level[1]] if level else [])
    xs = [x for curve in drawn for x, _ in curve.points] or [0.0, 1.0]
    floor = low if low is not None else min(ys, default=0.0)
    top = max(max(ys, default=1.0), floor + 1e-9)
    ceiling, right = floor + (top - floor) * 1.04, max(xs)
    left = min(min(xs), 0.0)
    inner, tall, bottom = width - LEFT - RIGHT, height - TOP - BOTTOM, height - BOTTOM

    def place(x: float, y: float) -> str:
        across = (x - left) / max(right - left, 1e-9)
        return f"{LEFT + inner * across:.1f} {bottom - tall * (y - floor) / (ceiling - floor):.1f}"

    parts = [f"<title>{escape(title)}</title>"]
    for value in ticks(floor, ceiling, 4):
        y = float(place(left, value).split()[1])
        parts.append(f'<path class="axis" d="M{LEFT:.1f} {y:.1f}h{inner:.1f}" />')
        parts.append(_label(LEFT - 5, y + 4, short_number(value), "end"))
    for value in ticks(left, right, 5):
        x = float(place(value, floor).split()[0])
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v4" />')
        parts.append(_label(x, bottom + 15, short_number(value), "middle"))
    if level:
        y = float(place(left, level[1]).split()[1])
        parts.append(f'<path class="limit" d="M{LEFT:.1f} {y:.1f}h{inner:.1f}" />')
        parts.append(
            f'<text class="limit-label" x="{width - RIGHT:.1f}" y="{y - 5:.1f}" text-anchor="end">'
            f"{escape(level[0])}</text>"
        )
    for curve in drawn:
        if curve.points:
            line = "L".join(place(x, y) for x, y in curve.points)
            parts.append(
                f'<path style="fill:none;stroke:var(--{curve.colour});stroke-width:2;stroke-linejoin:round" '
                f'd="M{line}"><title>{escape(curve.name)}</title></path>'
            )
    parts.append(_label(width - RIGHT, bottom + 29, x_unit, "end"))
    parts.append(_label(0, TOP - 5, y_unit, "start"))
    return svg(width, height, title, parts)


@dataclass(frozen=True)
class Measured:
    """A figure with its interval, and what it is held against, if anything."""

    name: str
    value: float
    low: float
    high: float
    reference: float | None = None


def intervals(
    title: str, rows: Sequence[Measured], unit: str, reference: str = "", width: float = 720
) -> Markup:
    """A line each: the interval as a bar, the figure as a dot in it, the reference as a dashed mark.

    Args:
        reference: what the dashed marks are.
    """
    values = [value for row in rows for value in (row.low, row.high, row.reference) if value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.06 * (high - low) or 0.05
    low, high = low - margin, high + margin
    label = 0.34 * width
    inner, height = width - label - RIGHT, ROW * len(rows) + BOTTOM

    def place(value: float) -> float:
        return label + inner * (value - low) / (high - low)

    parts = [f"<title>{escape(title)}</title>"]
    for value in ticks(low, high, 4):
        parts.append(f'<path class="axis" d="M{place(value):.1f} 0v{height - BOTTOM:.1f}" />')
        parts.append(_label(place(value), height - BOTTOM + 15, short_number(value), "middle"))
    for i, row in enumerate(rows):
        y = ROW * (i + 0.5)
        parts.append(
            f'<text x="{label - 10:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(row.name)}</text>'
        )
        parts.append(
            f'<rect class="kept-soft" x="{place(row.low):.1f}" y="{y - 4:.1f}" '
            f'width="{max(1.0, place(row.high) - place(row.low)):.1f}" height="8" rx="2" />'
        )
        parts.append(
            f'<circle class="kept" cx="{place(row.value):.1f}" cy="{y:.1f}" r="5">'
            f"<title>{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]</title></circle>"
        )
        if row.reference is not None:
            parts.append(f'<path class="limit" d="M{place(row.reference):.1f} {y - 10:.1f}v20" />')
    said = f"{unit}; dashed: {reference}" if reference else unit
    parts.append(_label(width - RIGHT, height - 4, said, "end"))
    return svg(width, height, title, parts)


def both(broad: Markup, narrow: Markup) -> Markup:
    """A drawing for wide and one for narrow screens; the style sheet shows one of them."""
    return Markup(f'<div class="broad">{broad}</div>\n<div class="narrow">{narrow}</div>')


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="soft" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
