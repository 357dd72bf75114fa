"""Long texts in pieces: cut between paragraphs where that is possible, and nothing lost.

The pieces of a text, put together, are the text.
"""

from __future__ import annotations

import re

_END = r"(?>\r\n|\n|\r)"
# Where to cut, best first: after blank lines, after a line, after a space.
_CUTS = [re.compile(pattern) for pattern in (rf"{_END}(?:[ \t]*{_END})+", _END, r"[ \t]+")]
_SPACE = re.compile(r"\s+")


def split_paragraphs(text: str, max_chars: int) -> list[str]:
    """Pieces of at most `max_chars` characters and of about equal size.

    A cut is made at the blank lines nearest to where equal pieces would end; inside a paragraph longer
    than a piece, at a line end, at a space, or anywhere.
    """
    pieces = []
    start = 0
    while len(text) - start > max_chars:
        rest = len(text) - start
        n_pieces = -(-rest // max_chars)
        end = _cut(text, start, start + rest // n_pieces, start + max_chars)
        pieces.append(text[start:end])
        start = end
    pieces.append(text[start:])
    return pieces


def _cut(text: str, start: int, target: int, limit: int) -> int:
    """The position in (start, limit] to cut at, near `target`."""
    blank = _SPACE.match(text, start, limit)
    first = blank.end() if blank else start  # a piece of white space alone is no document
    for pattern in _CUTS:
        ends = [found.end() for found in pattern.finditer(text, first, limit)]
        if ends:
            return _within_newline(text, start, min(ends, key=lambda end: abs(end - target)))
    return _within_newline(text, start, limit)


def _within_newline(text: str, start: int, end: int) -> int:
    """`end`, or one less where it would part a carriage return from its line feed."""
    return end - 1 if text[end - 1 : end + 1] == "\r\n" and end - 1 > start else end
