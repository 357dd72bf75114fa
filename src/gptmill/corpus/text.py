"""Repair of characters and lines, for text of any kind.

Letters that a wrong decoding broke are mended by ftfy; the rest is plain: NFC, one line end, no control
or invisible characters, no odd spaces, no trailing ones, at most one blank line in a row. What an author typed stays:
curly quotes, dashes and full-width letters are content (a model should write them as its sources do).
Latin ligatures are not: `ﬁ` comes from a typesetter, never from a keyboard, and would split a word.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

# A lone NEL ends a line; among other C1 characters, or after a non-ASCII one, \x85 is a byte of text
# decoded wrongly (an ellipsis of Windows-1252, half of "Å" in UTF-8), which is ftfy's to mend.
_C1_BUT_NEL = re.compile("[\x80-\x84\x86-\x9f]")
_NEL = re.compile("(?<![^\x00-\x7f])\x85")
_TERMINAL_ESCAPE = re.compile(r"\x1b\[(?:\d|;)*[a-zA-Z]")  # colours, as ftfy removes them
_LINE_END = re.compile("\r\n?|[\v\f\u2028\u2029]")
# Invisible: C0 but \n and \t, DEL, C1, soft hyphen, zero-width space, word joiner, BOM, marks of text
# direction, annotation anchors. U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
# Spaces of typesetters, as wide as a letter or a hair, or where no line may end: a model should see one
# space. The ideographic space stays: it is as wide as the characters around it, and typed.
_ODD_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_TRAILING = re.compile(r"(?<![^\S\n])[^\S\n]++$", re.MULTILINE)  # linear on long runs of spaces
_BLANK_LINES = re.compile(r"\n{3,}")
_LEADING_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")
# Marks on one letter: the Stream-Safe Text Format (UAX #15, section 13) allows as many, no language needs a third
# of them, and NFC sorts a run at the cost of its square.
_MOST_MARKS = 30
_RUN = re.compile(rf"[^\w\s\x00-\u02ff]{{{_MOST_MARKS + 1},}}")  # of marks, or of signs of other kinds
_DOUBLE_MARKS = "\u0f73\u0f75\u0f81"  # stand for two marks, of combining class 0 all the same
_JOINER = "\u034f"  # combining grapheme joiner: invisible; marks before and after it are not sorted together


def repair(text: str) -> str:
    """The text with its characters and lines mended. Once is nearly always enough; see `settle`."""
    if "\x85" in text and not _C1_BUT_NEL.search(text):
        text = _NEL.sub("\n", text)
    text = mend_letters(text)
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", text))
    if not text.isascii():
        text = _ODD_SPACES.sub(" ", text)
        text = unicodedata.normalize("NFC", stream_safe(text))
    return tidy_lines(text)


def stream_safe(text: str) -> str:
    """The text with U+034F after each 30 combining marks in a row, so that NFC costs no square of their number."""
    # A longer run has one at a multiple of 31, which few texts have anywhere.
    if any(map(_is_mark, text[:: _MOST_MARKS + 1])):
        return _RUN.sub(_with_joiners, text)
    return text


def _is_mark(char: str) -> bool:
    return unicodedata.combining(char) > 0 or char in _DOUBLE_MARKS


def _with_joiners(run: re.Match[str]) -> str:
    out, marks = [], 0
    for char in run[0]:
        marks = marks + len(unicodedata.normalize("NFD", char)) if _is_mark(char) else 0
        if marks > _MOST_MARKS:
            out.append(_JOINER)
            marks = len(unicodedata.normalize("NFD", char))
        out.append(char)
    return "".join(out)


def settle(step: Callable[[str], str], text: str, rounds: int = 8) -> str:
    """Apply `step` until the text stays as it is, so that cleaning clean text changes nothing.

    A step may uncover work for another (an entity that stood for a control character); each takes
    something away, so two rounds are the rule. `rounds` bounds hostile input only.
    """
    for _ in range(rounds):
        before, text = text, step(text)
        if text == before:
            break
    return text


def tidy_lines(text: str) -> str:
    """No spaces at the end of a line, at most one blank line in a row, none at either end of the text."""
    text = _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text))
    return _LEADING_LINES.sub("", text).rstrip()


def mend_letters(text: str) -> str:
    r"""ftfy on the lines that can need it; equal to ftfy on all of them, without its 1 ms a document.

    Every fixer of ftfy that we use leaves an ASCII line alone, but for entities and terminal escapes.
    Entities are resolved only in texts without `<` (ftfy's rule for a line): where there is markup or
    code, `&amp;` is meant.
    """
    if "\x1b" in text:
        text = _TERMINAL_ESCAPE.sub("", text)
    entities = "&" in text and "<" not in text and _ENTITY.search(text) is not None
    if not entities and text.isascii():
        return text
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if not line.isascii() or (entities and "&" in line):
            lines[i] = _mend_line(line, entities)
    return "\n".join(lines)


def _mend_line(line: str, entities: bool) -> str:
    import ftfy

    return str(ftfy.fix_text_segment(line, _config(entities)))


@functools.cache
def _config(entities: bool):  # type: ignore[no-untyped-def]  # ftfy's own class, imported late
    """What ftfy may change; line ends, control characters and NFC are ours."""
    import ftfy

    return ftfy.TextFixerConfig(
        unescape_html=entities,
        fix_latin_ligatures=True,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
