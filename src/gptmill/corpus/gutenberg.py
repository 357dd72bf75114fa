"""Project Gutenberg's licence text around a book, and the volunteers' credits at the book's ends.

Generations, by what ends the header: a line `*** START OF …` (since about 2001, with the licence behind
the book); the end of the "small print" `*END*THE SMALL PRINT!…*END*` (until then, with the small print
before the book); in the oldest, nothing but an announcement. All is found by its wording near the ends of
a text, so that a book that speaks of Project Gutenberg is not cut. Lines may end in LF or CRLF.
"""

from __future__ import annotations

import re

HEADER_CHARS = 40_000  # no header is longer: the small print is 8,000, the licence 19,000
FOOTER_CHARS = 60_000
CREDIT_CHARS = 6_000  # how far from an end of the book its credits may stand

_FLAGS = re.IGNORECASE | re.MULTILINE
_EOL = r"[ \t]*(?:\r\n|\n|\r|\Z)"
# To the closing stars, over several lines; to the end of the line where there are none.
_TITLE = r"(?:(?:[^*]|\*(?!\*\*)){0,300}?\*\*\*[* \t]*(?=[\r\n]|\Z)|[^\r\n]*)"

# The first of these that matches ends the header.
_HEADER_ENDS = [
    re.compile(rf"^[ \t]*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG{_TITLE}{_EOL}", _FLAGS),
    re.compile(rf"^[ \t]*\*END[* ]{{1,2}}THE SMALL PRINT![^\r\n]*{_EOL}", _FLAGS),
]
# The earliest match of any starts the footer.
_FOOTER_START = re.compile(
    r"^[ \t]*(?:"
    r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG"
    r"|End of (?:the |this )?Project Gutenberg"
    r"|\*\*\* ?START\*\* ?THE SMALL PRINT!"
    r"|\*\*\* ?START: FULL LICENSE)",
    _FLAGS,
)
_PARAGRAPH = re.compile(r"(?:[^\r\n]*\S[^\r\n]*(?:\r\n|\n|\r|\Z))+(?:[ \t]*(?:\r\n|\n|\r))*")
_ANNOUNCEMENT = re.compile(
    r"\bProject Gutenberg|\bE-?texts?\b|\bcopyright laws\b|\bdonations\b", re.IGNORECASE
)
# Capitals matter: prose may well have a line that begins "produced by".
_CREDIT_LINE = re.compile(
    r"\A[ \t\[(]*(?:Produced|Transcribed|Scanned|Digiti[sz]ed|Typed)\b[^\r\n]{0,60}?\b(?:by|from)\b"
    r"|\A[ \t\[(]*(?:This )?[Ee]-?(?:text|book)\b[^\r\n]{0,40}\b(?:prepared|produced|created|done|scanned)\b"
    r"|\A[ \t\[(]*(?:Original )?(?:Transcriber|TRANSCRIBER)['’]?[sS]?['’]? (?:Notes?|NOTES?):"
    r"|^[ \t]*(?:Scanned and proofed|HTML version|Second proof|Extra proofing) by\b",
    re.MULTILINE,
)
_CREDIT_WORDS = re.compile(
    r"\bProject Gutenberg|\bGutenberg Project"
    r"|\bDistributed\s+Proofread|\bpgdp\.net|\bwww\.gutenberg|\bE-?texts?\b",
    re.IGNORECASE,
)


def body_span(text: str) -> tuple[int, int]:
    """Start and end of the book proper; `(0, len(text))` for a text that is none of Project Gutenberg's."""
    start = _header_end(text)
    footer = _FOOTER_START.search(text, max(start, len(text) - FOOTER_CHARS))
    return start, footer.start() if footer else len(text)


def sections(text: str) -> list[tuple[str, str]]:
    """(name, text) of `gutenberg_header`, `body` and `gutenberg_footer`, those that are there.

    One section named "" for a text that is none of Project Gutenberg's. Put together they are `text`.
    """
    start, end = body_span(text)
    if (start, end) == (0, len(text)):
        return [("", text)]
    parts = [("gutenberg_header", text[:start]), ("body", text[start:end]), ("gutenberg_footer", text[end:])]
    return [(name, part) for name, part in parts if part]


def strip_boilerplate(text: str) -> str:
    """The book in `text` without header, footer and credits.

    Works on a whole file and on a piece of a body; credits are sought near both ends only. Give it only
    what is of Project Gutenberg: another text may well begin with "Prepared by".
    """
    start, end = body_span(text)
    body = text[start:end]
    if len(body) <= 2 * CREDIT_CHARS:
        return _without_credits(body)
    tail = len(body) - CREDIT_CHARS
    return _without_credits(body[:CREDIT_CHARS]) + body[CREDIT_CHARS:tail] + _without_credits(body[tail:])


def _header_end(text: str) -> int:
    for pattern in _HEADER_ENDS:
        if found := pattern.search(text, 0, HEADER_CHARS):
            return found.end()
    # No marker: an announcement's paragraphs at the very start, as long as each one speaks of the project.
    end = len(text) - len(text.lstrip("\ufeff \t\r\n"))
    header = 0
    for paragraph in _PARAGRAPH.finditer(text, end, HEADER_CHARS):
        if paragraph.start() != end or not _ANNOUNCEMENT.search(paragraph[0]):
            break
        if header == 0 and "project gutenberg" not in paragraph[0].lower():
            break
        header = end = paragraph.end()
    return header


def _without_credits(text: str) -> str:
    return _PARAGRAPH.sub(lambda paragraph: _strip_credit(paragraph[0]), text)


def _strip_credit(paragraph: str) -> str:
    """`paragraph`, or what stands in it before a credit begins."""
    if found := _CREDIT_LINE.search(paragraph):
        return paragraph[: found.start()]
    return "" if _CREDIT_WORDS.search(paragraph) else paragraph
