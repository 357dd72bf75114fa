"""Attention as pictures: a matrix is a small PNG within the page, drawn over whatever the page's colour is."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from gptmill.html.charts import svg
from gptmill.html.text import Markup, escape

INK = (63, 143, 181)  # readable on white and on black
LARGEST = 192  # pixels; more tokens than that share them
LABELLED = 48  # tokens; with more there is no room for their names
CELL, MARGIN, FONT = 15.0, 96.0, 10.5


def png(weights: Tensor) -> Markup:
    """A matrix of values from 0 to 1 as a `data:` address: one colour, as opaque as the value's square root."""
    if len(weights) > LARGEST:
        weights = F.adaptive_max_pool2d(weights[None, None], LARGEST)[0, 0]
    opacity = weights.clamp(0, 1).sqrt().mul(255).round().byte()
    height, width = opacity.shape
    rows = b"".join(b"\0" + bytes(row.tolist()) for row in opacity)
    body = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(INK) * 256),
        (b"tRNS", bytes(range(256))),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ):
        body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return Markup(f"data:image/png;base64,{base64.b64encode(body).decode('ascii')}")


def small_map(weights: Tensor, label: str) -> Markup:
    """One head: rows are the tokens that look, columns those looked at."""
    return svg(100, 100, label, [f"<title>{escape(label)}</title>", _image(weights, 0, 0, 100)], "map")


def large_map(weights: Tensor, names: Sequence[str], label: str) -> Markup:
    """The same with the tokens' names beside rows and over columns, where there are few enough."""
    side = CELL * len(names)
    parts = [f"<title>{escape(label)}</title>", _image(weights, MARGIN, MARGIN, side)]
    for place, name in enumerate(names):
        at = MARGIN + CELL * (place + 0.5)
        text = escape(name if len(name) < 15 else name[:13] + "…")
        parts.append(
            f'<text x="{MARGIN - 5:.1f}" y="{at + 3.5:.1f}" text-anchor="end" style="font-size:{FONT}px">{text}</text>'
        )
        parts.append(
            f'<text transform="translate({at + 3.5:.1f} {MARGIN - 5:.1f}) rotate(-90)" '
            f'style="font-size:{FONT}px">{text}</text>'
        )
    drawing = svg(MARGIN + side + 2, MARGIN + side + 2, label, parts, "map")
    return Markup(f'<div class="scroll"><div style="width:{MARGIN + side:.0f}px">{drawing}</div></div>')


def _image(weights: Tensor, x: float, y: float, side: float) -> str:
    return (
        f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" />'
        f'<image x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'preserveAspectRatio="none" href="{png(weights)}" />'
    )
