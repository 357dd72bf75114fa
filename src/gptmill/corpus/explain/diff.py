"""Two texts side by side as a unified diff that a person can read, whatever the texts are."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import chain

from gptmill.shown import shortened, visible

CONTEXT = 2
WIDTH = 160  # characters of a line
LONG = 240  # a line longer than this is compared sentence by sentence
COMPARED = 4000  # pieces; what is beyond them is left out, since comparing costs up to their square
_LINE_END = re.compile(r"\r\n?")
_SENTENCE = re.compile(r"(?<=[.!?;。！？])\s+")


@dataclass(frozen=True)
class Diff:
    """The lines of a diff, how many more there are, and a remark on what is not in them."""

    lines: list[str]
    left_out: int
    remark: str


def diff(before: str, after: str, names: tuple[str, str], max_lines: int | None = 40) -> Diff:
    """How `after` differs from `before`, both named; no lines where they are equal.

    Line ends are compared as line feeds (the remark says so): in a text of Windows' lines everything would
    differ. A line longer than `LONG` is cut after its sentences.

    Args:
        max_lines: how many lines of the diff to give; None gives all.
    """
    remarks = []
    if before == after:
        return Diff([], 0, "")
    if "\r" in before and "\r" not in after:
        remarks.append("line ends became line feeds")
    old, new = (_pieces(_LINE_END.sub("\n", text)) for text in (before, after))
    start = _common(old, new)
    if max(len(old), len(new)) - start > COMPARED:
        remarks.append(f"compared up to {COMPARED:,} lines behind the first difference")
    start = max(0, start - CONTEXT)
    old, new = old[start : start + COMPARED], new[start : start + COMPARED]
    found = difflib.unified_diff(old, new, *names, n=CONTEXT, lineterm="")
    lines = [_shown(line, start) for line in found]
    kept = lines if max_lines is None else lines[:max_lines]
    return Diff(kept, len(lines) - len(kept), "; ".join(remarks))


def _pieces(text: str) -> list[str]:
    """The lines of a text, the long ones in sentences."""
    return list(
        chain.from_iterable(
            _SENTENCE.split(line) if len(line) > LONG else (line,) for line in text.split("\n")
        )
    )


def _common(old: list[str], new: list[str]) -> int:
    """How many pieces at the beginning are equal."""
    for i, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return i
    return min(len(old), len(new))


def _shown(line: str, start: int) -> str:
    """One line of the diff, cut, with what can't be seen written out; hunks numbered from the text's start."""
    if hunk := re.fullmatch(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", line):
        old, old_size, new, new_size = hunk.groups("")
        return f"@@ -{int(old) + start}{old_size} +{int(new) + start}{new_size} @@"
    bare = line.rstrip(" \t")
    trailing = "·" * (len(line) - len(bare)) if len(line) > 1 else ""
    return shortened(visible((bare + trailing)[: WIDTH + 1]), WIDTH)
