"""Inline markup of reStructuredText as a reader sees it: names, words, and code in single backquotes."""

from __future__ import annotations

import re

# :func:`~numpy.sum`, :py:class:`text <target>`, :math:`x^2`
_ROLE = re.compile(r"(?<![\w`:]):((?:[A-Za-z][\w+.-]*:)*[A-Za-z][\w+.-]*):`([^`]+)`")
_LINK = re.compile(r"`([^`<>]+?)\s*<[^`<>\s]+>`__?")  # `text <url>`_
_REFERENCE = re.compile(r"(?<!`)`([^`\n]+)`__?(?![\w`])")  # `text`_
_FOOTNOTE = re.compile(r"(\[[\w.*#-]+\])_(?!\w)")  # [1]_
_FOOTNOTE_TEXT = re.compile(r"^(\s*)\.\. (?=\[[^\]]+\])", re.MULTILINE)  # .. [1] text
_LITERAL = re.compile(r"(?<!`)``([^`\n]+(?:\n[^`\n]+)?)``(?!`)")
_SHORTENED = re.compile(r"(?<![\w`])`~\.?(?:\w+\.)*(\w+)`")  # `~numpy.sum`
_RELATIVE = re.compile(r"(?<![\w`])`\.(?=[A-Za-z_][\w.]*`)")  # `.Axes.plot`
_STRONG = re.compile(r"(?<![\w*\\`])\*\*(?=[^\s*])([^*\n`]*[^\s*`\\])\*\*(?![\w*`])")
_ESCAPE = re.compile(r"\\([*_`])")
_NULL = re.compile(r"(?<=[`*])\\ |\\ (?=[`*])")  # separates markup from a letter: `array`\ s
_FIELD = re.compile(r"^(\s*):(\w+)(?: ([^:\n]+))?:(?=[ \n]|$)", re.MULTILINE)
_PRIVATE = re.compile(r"\A_[a-z]+\.(?=\w)")  # SQLAlchemy's `_orm.Session`: shown as `Session`
_TARGET = re.compile(r"(.+?)\s*<([^<>]+)>", re.DOTALL)

_PLAIN_ROLES = {"ref", "term", "doc", "sup", "sub", "abbr", "dfn", "caption", "ticket", "guilabel", "numref"}
_NUMBERED_ROLES = {"pep": "PEP ", "rfc": "RFC ", "doi": "doi:", "arxiv": "arXiv:"}
_FIELDS = {
    "param": "", "parameter": "", "arg": "", "argument": "", "key": "", "keyword": "",
    "type": "Type of ", "raise": "Raises ", "raises": "Raises ", "except": "Raises ", "exception": "Raises ",
    "var": "", "ivar": "", "cvar": "", "return": "Returns", "returns": "Returns", "rtype": "Return type",
    "yield": "Yields", "yields": "Yields",
}  # fmt: skip


def plain_inline(text: str) -> str:
    """`text` with its inline markup simplified; what looks like nothing known stays as it is."""
    # The tests only save time: three texts in four have no roles, nine in ten no links.
    if ":`" in text:
        text = _ROLE.sub(_role, text)
    if ":" in text:
        text = _FIELD.sub(_field, text)
    if "`_" in text:
        text = _LINK.sub(r"\1", text)
    if "``" in text:
        text = _LITERAL.sub(r"`\1`", text)
    if "`~" in text:
        text = _SHORTENED.sub(r"`\1`", text)
    if "`." in text:
        text = _RELATIVE.sub("`", text)
    if "`_" in text:
        text = _REFERENCE.sub(r"\1", text)
    if "]" in text:
        text = _FOOTNOTE.sub(r"\1", text)
        text = _FOOTNOTE_TEXT.sub(r"\1", text)
    if "**" in text:
        text = _STRONG.sub(r"\1", text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", _NULL.sub("", text))
    return text


def _role(match: re.Match[str]) -> str:
    """The words that a role shows: its title, or its target, shortened where `~` asks for it."""
    role, content = match[1].rsplit(":", 1)[-1].lower(), match[2].strip()
    if role == "math":
        return content
    titled = _TARGET.fullmatch(content)
    shown = titled[1] if titled else content.lstrip("!")
    if shown.startswith("~"):
        shown = shown.rsplit(".", 1)[-1].lstrip("~")
    shown = _PRIVATE.sub("", shown.removeprefix("."))
    if role in _NUMBERED_ROLES:
        return shown if titled else _NUMBERED_ROLES[role] + shown
    return shown if titled or role in _PLAIN_ROLES else f"`{shown}`"


def _field(match: re.Match[str]) -> str:
    """`:param x: …` → `x: …`, `:returns: …` → `Returns: …`; other fields stay."""
    label = _FIELDS.get(match[2].lower())
    if label is None or (not label and not match[3]):
        return match[0]
    return f"{match[1]}{label}{match[3] or ''}:"
