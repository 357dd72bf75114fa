"""Histograms as inline SVG: stacked series, axes with units, limits drawn in.

Coordinates are written with one decimal, so equal numbers give equal bytes on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gptmill.html.text import Markup, escape
from gptmill.shown import number, short_number

LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 30.0, 34.0  # room for the axes' labels


@dataclass(frozen=True)
class Series:
    """Counts a bin of one part of the whole; `colour` is a class of the style sheet."""

    name: str
    colour: str
    counts: Sequence[int]


@dataclass(frozen=True)
class Axis:
    """Bin edges, rising; `log` spaces them by their logarithm (edges above 0)."""

    edges: Sequence[float]
    unit: str
    log: bool = False

    def place(self, value: float) -> float:
        """Where on the axis a value stands: 0 at the first edge, 1 at the last, within them."""
        low, high = self._scaled(self.edges[0]), self._scaled(self.edges[-1])
        return min(1.0, max(0.0, (self._scaled(value) - low) / (high - low)))

    def ticks(self) -> list[float]:
        """Values for labels."""
        low, high = self.edges[0], self.edges[-1]
        return log_ticks(low, high) if self.log else ticks(low, high, 4)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values from `low` to `high`, in steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(i * step, digits) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within the range, every second or third of them where there are many."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = 1 + max(0, last - first) // 5
    powers = [float(10**exponent) for exponent in range(first, last + 1, every)]
    return powers if len(powers) > 1 else [low, high]


def histogram(
    title: str,
    axis: Axis,
    series: Sequence[Series],
    limits: Sequence[tuple[str, float]] = (),
    width: float = 300,
    height: float = 164,
    y_unit: str = "documents",
) -> Markup:
    """Stacked bars, the first series at the bottom, with `limits` (name, value) as dashed lines.

    Args:
        title: said by screen readers; the visible title is the caption's business.
        series: each with one count for each bin, `len(axis.edges) - 1`.
    """
    inner, tall = width - LEFT - RIGHT, height - TOP - BOTTOM
    highest = max((sum(bin_) for bin_ in zip(*(part.counts for part in series), strict=True)), default=0)
    y_ticks = ticks(0, max(1, highest), 3)
    top = max(highest, 1) * 1.02
    bottom = height - BOTTOM

    parts = [f"<title>{escape(title)}</title>"]
    for value in y_ticks:
        y = bottom - tall * value / top
        parts.append(f'<path class="axis" d="M{LEFT:.1f} {y:.1f}h{inner:.1f}" />')
        parts.append(_label(LEFT - 5, y + 4, short_number(value), "end"))
    floor = [0] * (len(axis.edges) - 1)
    for part in series:
        if any(part.counts):
            path = _bars(axis, floor, part.counts, inner, tall / top, bottom)
            parts.append(
                f'<path class="{part.colour}" d="{path}">'
                f"<title>{escape(part.name)}: {number(sum(part.counts))} {escape(y_unit)}</title></path>"
            )
        floor = [below + count for below, count in zip(floor, part.counts, strict=True)]
    for value in axis.ticks():
        x = LEFT + inner * axis.place(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v4" />')
        parts.append(_label(x, bottom + 15, short_number(value), "middle"))
    parts.append(_label(LEFT + inner, bottom + 29, axis.unit, "end"))
    parts.append(_label(LEFT - 5, TOP - 20, y_unit, "start", shift=-LEFT + 5))
    for name, value in limits:
        x = LEFT + inner * axis.place(value)
        anchor = "end" if x > LEFT + inner * 0.6 else "start"
        parts.append(f'<path class="limit" d="M{x:.1f} {TOP - 10:.1f}V{bottom:.1f}" />')
        offset = -4 if anchor == "end" else 4
        parts.append(
            f'<text class="limit-label" x="{x + offset:.1f}" y="{TOP - 5:.1f}" text-anchor="{anchor}">'
            f"{escape(f'{name} {number(value)}')}</text>"
        )
    return svg(width, height, title, parts)


def svg(width: float, height: float, label: str, parts: Sequence[str], kind: str = "") -> Markup:
    """A drawing that scales with the page and is one image to a screen reader."""
    shown = f' class="{kind}"' if kind else ""
    return Markup(
        f'<svg{shown} viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def _bars(
    axis: Axis, floor: Sequence[int], counts: Sequence[int], inner: float, scale: float, bottom: float
) -> str:
    """One path for all bars of a series; a count that is there is never less than a hair high."""
    path = []
    for i, (below, count) in enumerate(zip(floor, counts, strict=True)):
        if not count:
            continue
        left = LEFT + inner * axis.place(axis.edges[i])
        right = LEFT + inner * axis.place(axis.edges[i + 1])
        tall = max(0.6, count * scale)
        path.append(
            f"M{left + 0.3:.1f} {bottom - below * scale:.1f}v{-tall:.1f}"
            f"h{max(0.4, right - left - 0.6):.1f}v{tall:.1f}z"
        )
    return "".join(path)


def _label(x: float, y: float, text: str, anchor: str, shift: float = 0.0) -> str:
    return f'<text class="soft" x="{x + shift:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
