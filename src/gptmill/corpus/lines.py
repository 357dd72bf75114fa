"""What a document's lines say: repeats (Gopher), bullets and ellipses (Gopher), FineWeb's shares, and C4's rules.

Each function takes a text and gives numbers in the order of its signals; which lines count is what the
published filters do, down to their differences: Gopher's bullets are a share of all lines, blank ones
too, its repeats of non-empty lines, FineWeb's shares of non-blank ones. Ratios of an empty text are 0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gptmill.corpus.marks import TERMINALS

SHORT_LINE = 30  # characters
_CLOSERS = TERMINALS | set("…\"”’')")  # of dialogue, every second line ends in a quote
BULLETS = ("•", "-")
ELLIPSES = ("...", "…")

_PARAGRAPH_ENDS = re.compile(r"\n{2,}")


def bullets_and_ellipses(text: str) -> tuple[float, float]:
    """Shares of all lines that begin with a bullet, and that end with an ellipsis."""
    lines = text.splitlines()
    n = len(lines) or 1
    bullets = ellipses = 0
    if "-" in text or "•" in text:
        bullets = sum([line.lstrip().startswith(BULLETS) for line in lines])
    if "..." in text or "…" in text:
        ellipses = sum([line.rstrip().endswith(ELLIPSES) for line in lines])
    return bullets / n, ellipses / n


def repeated_parts(text: str) -> tuple[float, float, float, float]:
    """Shares of lines that repeat an earlier one and of the text's characters in them; so for paragraphs."""
    n_chars = len(text) or 1
    lines, paragraphs = split_lines(text), split_paragraphs(text)
    line_repeats, line_chars = _repeats(lines)
    paragraph_repeats, paragraph_chars = _repeats(paragraphs)
    return (
        line_repeats / len(lines),
        line_chars / n_chars,
        paragraph_repeats / len(paragraphs),
        paragraph_chars / n_chars,
    )


def split_lines(text: str) -> list[str]:
    r"""`re.split(r"\n+", text)`, six times as fast: empty lines only where the text begins or ends in one."""
    lines = [line for line in text.split("\n") if line]
    return lines + [""] * (text.startswith("\n") + (text.endswith("\n") or not text))


def split_paragraphs(text: str) -> list[str]:
    r"""`re.split(r"\n{2,}", text.strip())`; cleaned texts have no longer run of line ends."""
    text = text.strip()
    return _PARAGRAPH_ENDS.split(text) if "\n\n\n" in text else text.split("\n\n")


def _repeats(parts: list[str]) -> tuple[int, int]:
    """How many of `parts` repeat an earlier one, and their characters."""
    unique = set(parts)
    if len(unique) == len(parts):
        return 0, 0
    return len(parts) - len(unique), sum(map(len, parts)) - sum(map(len, unique))


def fineweb(text: str) -> tuple[float, float, float, float]:
    """Shares of lines that end a sentence, of such and quoted ones, of short ones, of repeated characters."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    n = len(lines) or 1
    n_chars = len(text) - text.count("\n")
    return (
        sum([line[-1] in TERMINALS for line in lines]) / n,
        sum([line[-1] in _CLOSERS for line in lines]) / n,
        sum([len(line) <= SHORT_LINE for line in lines]) / n,
        _repeats(lines)[1] / (n_chars or 1),
    )


# C4: Raffel et al. 2020 (arXiv:1910.10683), section 2.2, with what its code does beyond the paper.
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_ENDS = (".", "?", "!", '"', "'")
_POLICY = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
_PHRASES = ("lorem ipsum", "javascript", *_POLICY)
_LONGEST_WORD = 1000  # characters
_FEWEST_WORDS = 3
# Between sentences: a mark, closing quotes or brackets, space, and no small letter, as after "e.g.".
_BOUNDARY = re.compile(r"[.!?][\"')\]”’]*\s++(?![a-z])")


class C4(NamedTuple):
    """What C4 decides by, on the lines that it would keep."""

    sentences: int
    lorem_ipsum: int
    curly_brackets: int


def sentences(line: str) -> int:
    """How many sentences stand in a line, by a rule of one line instead of a model; at least 1."""
    return 1 + len(_BOUNDARY.findall(line)) if " " in line else 1


def c4(text: str) -> C4:
    """C4's counts. Its decision needs no edited text: lines that it would drop do not count here."""
    counts = [0, 0, 0]
    for line, kind in _c4_lines(text):
        counts[kind] += sentences(line) if kind == 0 else 1
    return C4(*counts)


def without_c4_lines(text: str) -> str:
    """The text as C4 leaves it: lines that end a sentence, of three words or more, without citations.

    Lines for which C4 drops the whole document stay: that decision is the rules'.
    """
    return "\n".join([line for line, _ in _c4_lines(text)])


def _c4_lines(text: str) -> list[tuple[str, int]]:
    """The lines that C4 keeps, stripped, and what each counts as: 0 text, 1 lorem ipsum, 2 curly bracket."""
    has_citations = "[" in text
    lowered = (_CITATION.sub("", text) if has_citations else text).lower()
    has_phrases = any(phrase in lowered for phrase in _PHRASES)
    has_brackets = "{" in text
    kept = []
    for line in text.splitlines():
        line = line.strip()
        written = line
        if has_citations:
            line = _CITATION.sub("", line)
        if not line.endswith(_ENDS) or line.endswith("..."):
            continue
        words = written.split()
        if len(words) < _FEWEST_WORDS:
            continue
        if len(written) > _LONGEST_WORD and max(map(len, words)) > _LONGEST_WORD:
            continue
        kind = 0
        if has_phrases:
            lowered = line.lower()
            if "lorem ipsum" in lowered:
                kind = 1
            elif "javascript" in lowered:
                continue
        if not kind and has_brackets and "{" in line:
            kind = 2
        if not kind and has_phrases and any(phrase in lowered for phrase in _POLICY):
            continue
        kept.append((line, kind))
    return kept
