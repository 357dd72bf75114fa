"""Which encoding a text file has, decided by rules that can be checked, and its text.

In this order: the encoding that the user gives; a byte order mark; UTF-8 if every byte fits; otherwise an
8-bit encoding. Between 8-bit encodings the bytes alone do not decide (0xE9 is é, й or щ), and guessers err
on English with a few accents, so the share of non-ASCII letters does: Western European text keeps most of
its letters in ASCII and is read as Windows-1252, of which Latin-1 is the part without typographic quotes;
only text that is mostly non-ASCII is given to charset-normalizer. Central European files (Windows-1250)
fall on the wrong side of that rule: give them `encoding`.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from gptmill.corpus.sources.units import Unreadable

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(rb"[\x00-\x06\x0e-\x19\x7f]")  # less those of old DOS files and terminals
_CONTROL_SHARE = 0.01  # stray ones stand in real texts, and clean removes them; a NUL never does
_HIGH = re.compile(rb"[\x80-\xff]")
_C1 = re.compile(rb"[\x80-\x9f]")
_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]")
_WESTERN_SHARE = 0.25


@dataclass(frozen=True)
class Decoded:
    """A text and the encoding it was in, by its Python name."""

    text: str
    encoding: str


def decode(data: bytes, encoding: str = "") -> Decoded:
    """The text in `data`; `encoding`, if given, is taken at its word.

    Raises:
        Unreadable: naming the offset of the first byte that is no text.
    """
    mark, marked = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", ""))
    if encoding:
        text = _strict(data, encoding, "Give the right `encoding`, or none to have it detected.")
        return Decoded(text.removeprefix("\ufeff"), encoding)
    if marked:
        text = _strict(data[len(mark) :], marked, "Its byte order mark says so; mend the file.", len(mark))
        return Decoded(text, marked)
    _refuse_binary(data)
    try:
        return Decoded(data.decode("utf-8"), "ascii" if data.isascii() else "utf-8")
    except UnicodeDecodeError as error:
        _refuse_damaged_utf8(data, error.start)
    return _decode_8_bit(data)


def _strict(data: bytes, encoding: str, advice: str, offset: int = 0) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        where = error.start + offset
        bad = (
            f"byte {data[error.start]:#04x} at offset {where}"
            if error.start < len(data)
            else f"offset {where}"
        )
        raise Unreadable(f"{bad} is not {shown(encoding)} ({error.reason}). {advice}") from None


def shown(encoding: str) -> str:
    """An encoding's name as people write it: Python's "utf-8-sig" is UTF-8."""
    return (
        re.sub(r"^UTF[-_]?8([-_]SIG)?$", "UTF-8", encoding.upper())
        if encoding[:3].lower() == "utf"
        else encoding
    )


def _refuse_binary(data: bytes) -> None:
    offset = data.find(b"\0")
    if offset < 0:
        controls = [found.start() for found in _CONTROL.finditer(data)]
        if len(controls) <= _CONTROL_SHARE * len(data):
            return
        offset = controls[0]
    raise Unreadable(
        f"byte {data[offset]:#04x} at offset {offset} is not text: a binary file, or UTF-16 or UTF-32 "
        "without a byte order mark. Remove the file or give its `encoding`."
    )


def _refuse_damaged_utf8(data: bytes, offset: int) -> None:
    """Raise if `data` is UTF-8 with a few bad bytes: reading it as Windows-1252 would garble all the rest.

    In 8-bit text an accented letter is hardly ever followed by what UTF-8 would want there.
    """
    lenient = data.decode("utf-8", "replace")
    bad = lenient.count("\ufffd")
    good = len(re.findall(r"[^\x00-\x7f\ufffd]", lenient))
    if good >= bad:
        raise Unreadable(
            f"byte {data[offset]:#04x} at offset {offset} is not UTF-8, as {good} other characters are "
            f"({bad} bad in all). Mend the file, or give an `encoding` that covers every byte, such as "
            "windows-1252 or latin-1."
        )


def _decode_8_bit(data: bytes) -> Decoded:
    high = len(_HIGH.findall(data))
    if high <= _WESTERN_SHARE * len(_LETTERS.findall(data)):
        if not _C1.search(data):
            return Decoded(data.decode("latin-1"), "latin-1")
        return Decoded(_strict(data, "windows-1252", "Give the file's `encoding`."), "windows-1252")

    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None:
        first = _HIGH.search(data)
        raise Unreadable(
            f"no encoding explains byte {data[first.start()]:#04x} at offset {first.start()}"  # type: ignore[union-attr]
            " and those after it. Give the file's `encoding`."
        )
    return Decoded(_strict(data, best.encoding, "Give the file's `encoding`."), best.encoding)
