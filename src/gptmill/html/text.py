"""Markup: the type that keeps a document's text from becoming part of a page."""

from __future__ import annotations

import html

from gptmill.shown import visible


class Markup(str):
    """HTML that is safe as it stands: made by this package, never by a document."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Any text as HTML: markup is shown, control and invisible characters are written out (`\\x00`)."""
    return text if isinstance(text, Markup) else Markup(html.escape(visible(text)))


def join(parts: list[Markup]) -> Markup:
    """The pieces, a line each."""
    return Markup("\n".join(parts))
