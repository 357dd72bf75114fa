"""A flow picture (after Sankey): a stream from top to bottom that gives off branches to the right.

Every band is as wide as its number, so the eye can check the sum: what enters a node leaves it, in its
branches or towards the next node. Drawn downwards, it fits a phone as well as a desk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gptmill.html.charts import svg
from gptmill.html.text import Markup, escape
from gptmill.shown import share, shortened

MARGIN, NODE, CORNER, GAP = 2.0, 7.0, 9.0, 5.0


@dataclass(frozen=True)
class Branch:
    """What leaves a node; `colour` is a class of the style sheet."""

    label: str
    value: int
    colour: str


@dataclass(frozen=True)
class Node:
    """A state of the stream, and what leaves it before the next."""

    label: str
    value: int
    branches: tuple[Branch, ...]

    @property
    def remains(self) -> int:
        return self.value - sum(branch.value for branch in self.branches)


def flow(title: str, nodes: Sequence[Node], say: Callable[[int], str]) -> Markup:
    """The picture twice, for wide and for narrow screens; the style sheet shows one of them.

    Args:
        say: a value in words, such as `15.2 MB`.

    Raises:
        ValueError: when a node gives off more than it holds.
    """
    for node in nodes:
        if node.remains < 0:
            raise ValueError(f"{node.label}: {node.value} enter and {node.value - node.remains} leave")
    return Markup(_draw(title, nodes, say, narrow=False) + "\n" + _draw(title, nodes, say, narrow=True))


def _draw(title: str, nodes: Sequence[Node], say: Callable[[int], str], narrow: bool) -> Markup:
    width, stream, slot = (350.0, 130.0, 31.0) if narrow else (720.0, 300.0, 19.0)
    label_x = MARGIN + stream + (28 if narrow else 60)
    whole = max((node.value for node in nodes), default=0)
    scale = stream / whole if whole else 0.0

    parts = [f"<title>{escape(title)}</title>"]
    y = 0.0
    for i, node in enumerate(nodes):
        parts.append(
            f'<text x="{MARGIN:.1f}" y="{y + 13:.1f}"><tspan class="name">{escape(node.label)}</tspan>'
            f'<tspan dx="8">{escape(say(node.value))}</tspan></text>'
        )
        y += 20
        parts.append(_box(node.value * scale, y, NODE, "kept"))
        end, bands = _branches(node, y + NODE, scale, label_x, slot)
        if i + 1 < len(nodes) and node.remains:
            parts.append(_box(node.remains * scale, y + NODE, end - y - NODE + 26, "kept-soft"))
        parts += bands
        parts += _labels(node, y + NODE, scale, label_x, slot, say, narrow)
        y = end + 6
    return svg(width, y, title, parts, "narrow" if narrow else "broad")


def _slots(node: Node, y: float, scale: float, slot: float) -> list[tuple[float, float]]:
    """For each branch: where its band's upper edge lies, and the height of its place."""
    places, top = [], y + CORNER
    for branch in node.branches:
        tall = max(slot, branch.value * scale)
        places.append((top + (tall - branch.value * scale) / 2, tall))
        top += tall + GAP
    return places


def _branches(node: Node, y: float, scale: float, end: float, slot: float) -> tuple[float, list[str]]:
    """Where the node's branches end below, and their bands: the rightmost of the stream leaves first."""
    bands, right = [], MARGIN + node.value * scale
    bottom = y
    for branch, (top, tall) in zip(node.branches, _slots(node, y, scale, slot), strict=True):
        thick = branch.value * scale
        left = right - thick
        bands.append(
            f'<path class="{branch.colour}" d="{_ribbon(left, right, y, top, end - 6)}">'
            f"<title>{escape(branch.label)}</title></path>"
        )
        right = left
        bottom = top - (tall - thick) / 2 + tall + GAP
    return bottom, bands


def _ribbon(left: float, right: float, y: float, top: float, end: float) -> str:
    """A band of constant width: down from (left … right, y), round a corner, to the right until `end`."""
    thick = max(right - left, 0.8)
    left = right - thick
    start = max(y, top - CORNER)
    radius = top - start
    return (
        f"M{right:.1f} {y:.1f}V{start:.1f}A{radius:.1f} {radius:.1f} 0 0 0 {right + radius:.1f} {top:.1f}"
        f"H{end:.1f}v{thick:.1f}H{right + radius:.1f}"
        f"A{radius + thick:.1f} {radius + thick:.1f} 0 0 1 {left:.1f} {start:.1f}V{y:.1f}z"
    )


def _labels(
    node: Node, y: float, scale: float, x: float, slot: float, say: Callable[[int], str], narrow: bool
) -> list[str]:
    """Each branch's name and number, beside its band's end."""
    out = []
    for branch, (top, _) in zip(node.branches, _slots(node, y, scale, slot), strict=True):
        middle = top + branch.value * scale / 2
        name = escape(shortened(branch.label, 29 if narrow else 40))
        figures = escape(f"{say(branch.value)} · {share(branch.value, node.value)}")
        if narrow:
            out.append(f'<text x="{x:.1f}" y="{middle - 2:.1f}">{name}</text>')
            out.append(f'<text class="soft" x="{x:.1f}" y="{middle + 11:.1f}">{figures}</text>')
        else:
            out.append(
                f'<text x="{x:.1f}" y="{middle + 4:.1f}">{name}'
                f'<tspan class="soft" dx="8">{figures}</tspan></text>'
            )
    return out


def _box(width: float, y: float, height: float, colour: str) -> str:
    return f'<rect class="{colour}" x="{MARGIN:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" />'
