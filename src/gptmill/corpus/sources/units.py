"""A unit: one file to read, and what a worker process must know to turn it into documents."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unit:
    """One file of a source. `path` is this machine's and never reaches a document; `uri` does."""

    source: str  # the source's name in params.yaml
    rank: int  # its place there: of equal texts, the one of the first source is kept
    kind: str
    path: str  # or a URL
    uri: str
    group: str
    licence: str
    text_column: str = ""
    encoding: str = ""  # empty: detect
    max_chars: int = 0
    max_ratio: float = 200.0  # how many times its size a compressed file may unpack to
    max_bytes: int = 1 << 28  # of what is read at once: a text file, a line, a page


@dataclass(frozen=True)
class Text:
    """A text as read, before it has an id. `fragment` tells it from the others of its file."""

    text: str
    fragment: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    broken: str = ""  # why it can't be read, where the rest of its file can


class Unreadable(Exception):  # noqa: N818 -- an outcome of reading, which the caller turns into a message
    """A file cannot be read; `str(error)` says why and where in the file, without naming the file."""


class Skipped(Exception):  # noqa: N818 -- likewise
    """A file is passed over with a warning, because nothing the user does would make it readable."""


def valid_text(text: str) -> str:
    """`text` such that it can be written as UTF-8: lone surrogates become U+FFFD, pairs one character."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
