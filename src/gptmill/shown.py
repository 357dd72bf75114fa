"""How numbers and texts of others are shown to a person, on a page or in a terminal."""

from __future__ import annotations

import re

NBSP = "\u00a0"
# Not allowed in HTML, or invisible, or able to turn round the text beside it (bidirectional controls).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def visible(text: str) -> str:
    r"""The text with what cannot be seen, or would act on a terminal, as an escape; `\t` and `\n` stay."""
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def shortened(text: str, length: int) -> str:
    """At most `length` characters; an ellipsis says that something is missing."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def number(value: float) -> str:
    """`33,865`; a fraction with up to four significant digits."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def short_number(value: float) -> str:
    """A label of an axis: `20k`, `1.5M`, `0.25`."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:.6g}"


def size(n_bytes: float) -> str:
    """`15.2 MB`, in powers of a thousand."""
    value, unit = float(n_bytes), 0
    while abs(value) >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}{NBSP}{_SIZES[unit]}"


def share(part: float, whole: float) -> str:
    """`24.0 %`; `<0.1 %` rather than a zero that is none."""
    if not whole:
        return f"0{NBSP}%"
    percent = 100 * part / whole
    return f"<0.1{NBSP}%" if 0 < percent < 0.05 else f"{percent:.1f}{NBSP}%"
