"""The prose of a docstring: reStructuredText and numpydoc without code, and without what is only markup.

Blocks go: doctests, literal blocks, code, plots, displayed mathematics, tables, images, link targets,
comments. Notes, warnings and version changes stay as prose. Headings stay without their underlines,
unless nothing is left below them. Inline, a reference becomes the name that a reader would see, and code
words stand between single backquotes.

The rules read lines and indentation, as docutils does, but never fail: what fits no rule is prose.
"""

from __future__ import annotations

import re

from gptmill.corpus.inline import plain_inline
from gptmill.corpus.text import tidy_lines

_DIRECTIVE = re.compile(r"(\s*)\.\. ?([A-Za-z][\w:+.-]*?) ?::(?:\s+(.*))?$")
_EXPLICIT = re.compile(r"(\s*)\.\.(?: (.*))?$")  # comments, targets, footnotes
_FOOTNOTE = re.compile(r"\[[^\]]+\] ?")
_OPTION = re.compile(r"\s*:[\w-]+:(?: .*)?$")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_UNDERLINE = re.compile(r"\s*([=\-~^\"'`#*+])\1{2,}$")
_TABLE_BORDER = re.compile(r"\s*=+(?: +=+)+$")
_TABLE = "simple table"
_GRID_BORDER = re.compile(r"\s*\+[-=]+\+[-=+]*$")

# Directives whose content is prose; the words before it say what it is.
_ADMONITIONS = {
    "note": "Note: ",
    "warning": "Warning: ",
    "caution": "Caution: ",
    "danger": "Danger: ",
    "important": "Important: ",
    "attention": "Attention: ",
    "error": "Error: ",
    "tip": "Tip: ",
    "hint": "Hint: ",
    "seealso": "See also: ",
    "legacy": "Legacy. ",
}
_VERSIONS = {
    "versionadded": "Added in version ",
    "versionchanged": "Changed in version ",
    "versionremoved": "Removed in version ",
    "deprecated": "Deprecated since version ",
}
_TITLED = {"topic", "admonition"}
_CONTAINERS = _TITLED | {"container", "only", "sidebar", "tab-set", "tab-item", "dropdown", "glossary"}


def prose(text: str) -> str:
    """The docstring `text` (dedented, with \\n line ends) without code and block markup."""
    lines = _without_code(text.split("\n"))
    return tidy_lines(plain_inline("\n".join(_without_underlines(lines))))


def _without_code(lines: list[str]) -> list[str]:
    """The lines that are prose; a removed block leaves one blank line."""
    out: list[str] = []
    todo = lines[::-1]  # a stack, so that the body of a note can be put back and read by the same rules
    unclosed: set[str] = set()  # fences, and _TABLE, that no line to come closes
    while todo:
        line = todo.pop()
        stripped = line.lstrip()
        if stripped.startswith(">>>"):
            while todo and todo[-1].strip():
                todo.pop()
        elif (fence := _FENCE.match(line)) and _is_closed(fence[1], todo, unclosed):
            while todo.pop().strip() != fence[1]:
                pass
        elif _GRID_BORDER.match(line):
            while todo and todo[-1].lstrip().startswith(("+", "|")):
                todo.pop()
        elif _TABLE_BORDER.match(line):
            if _TABLE not in unclosed and not _skip_table(todo):
                unclosed.add(_TABLE)
        elif stripped.startswith(".."):
            if directive := _DIRECTIVE.match(line):
                _directive(directive, todo, out)
            elif explicit := _EXPLICIT.match(line):
                _explicit(explicit, todo)
            else:  # an ellipsis
                out.append(line)
            continue
        elif stripped.endswith("::"):
            _literal(line, todo, out)
            continue
        else:
            out.append(line)
            continue
        out.append("")
    return out


def _is_closed(fence: str, todo: list[str], unclosed: set[str]) -> bool:
    """Whether one of the lines to come closes a fence; `unclosed` keeps those that none does.

    That is looked for once: what is put back holds no lines that close, but those that it held before.
    """
    if fence not in unclosed and not any(line.strip() == fence for line in reversed(todo)):
        unclosed.add(fence)
    return fence not in unclosed


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _pop_block(todo: list[str], indent: int) -> list[str]:
    """Take the lines that are indented by more than `indent`, blank ones among them, off the stack."""
    block: list[str] = []
    while todo and (not todo[-1].strip() or _indent(todo[-1]) > indent):
        block.append(todo.pop())
    return block


def _put_back(todo: list[str], lines: list[str]) -> None:
    todo.extend(reversed(lines))


def _literal(line: str, todo: list[str], out: list[str]) -> None:
    """A paragraph that ends in `::`; an indented block after a blank line is code.

    A lead of up to three words ("E.g.::", "A typical usage::") says nothing without its code.
    """
    lead = line.rstrip()[:-2].rstrip()
    is_code = not todo or (not todo[-1].strip() and _next_indent(todo) > _indent(line))
    if is_code:
        _pop_block(todo, _indent(line))
        starts_paragraph = not out or not out[-1].strip()
        out.append("" if len(lead.split()) <= 3 and starts_paragraph else lead.rstrip(":") + ":")
        out.append("")
    else:
        out.append(lead.rstrip(":") + ":" if lead else "")


def _next_indent(todo: list[str]) -> int:
    """The indentation of the next line with text; -1 at the end."""
    return next((_indent(line) for line in reversed(todo) if line.strip()), -1)


def _directive(match: re.Match[str], todo: list[str], out: list[str]) -> None:
    """`.. name:: argument`, its options and its block: put prose back onto `todo`, or drop all of it."""
    indent, name, argument = len(match[1]), match[2].lower(), (match[3] or "").strip()
    block = _pop_block(todo, indent)
    body = _dedented(block, indent)
    out.append("")
    if name == "rubric":
        _put_back(todo, [match[1] + argument, match[1] + "-" * max(len(argument), 3), *body])
    elif name in _ADMONITIONS or name in _VERSIONS:
        text = [argument, *body] if argument else body
        while text and not text[0].strip():
            text.pop(0)
        if name in _VERSIONS:
            label = _VERSIONS[name]
            if len(argument.split()) == 1:  # the version alone; what changed is the block
                version = argument.rstrip(".:")
                while body and not body[0].strip():
                    body.pop(0)
                text = [f"{version}: {body[0].strip()}", *body[1:]] if body else [f"{version}."]
        else:
            label = _ADMONITIONS[name]
        if text:
            _put_back(todo, [match[1] + label + text[0].strip(), *text[1:], *_blank_end(block)])
    elif name in _CONTAINERS:
        _put_back(todo, [match[1] + argument if name in _TITLED else "", "", *body])


def _blank_end(block: list[str]) -> list[str]:
    return [""] if block and not block[-1].strip() else []


def _dedented(block: list[str], indent: int) -> list[str]:
    """The block without a directive's options, moved left to column `indent`."""
    body = list(block)
    while body and _OPTION.match(body[0]):
        body.pop(0)
    margin = min((_indent(line) for line in body if line.strip()), default=indent)
    return [" " * indent + line[margin:] if line.strip() else "" for line in body]


def _explicit(match: re.Match[str], todo: list[str]) -> None:
    """`.. [1] a footnote` is prose; `.. _target:`, `.. |name| replace::` and comments are not."""
    rest = match[2] or ""
    block = _pop_block(todo, len(match[1]))
    if _FOOTNOTE.match(rest):
        body = _dedented(block, len(match[1]) + 4)
        _put_back(todo, [match[1] + rest, *body])
    else:
        _put_back(todo, [""])


def _skip_table(todo: list[str]) -> bool:
    """Drop a simple table after its first border: all up to the border before a blank line, or the end.

    Without one it is a heading's odd underline: only the border goes, and False comes back.
    """
    for i in range(len(todo) - 1, -1, -1):
        if _TABLE_BORDER.match(todo[i]) and (i == 0 or not todo[i - 1].strip()):
            del todo[i:]
            return True
    return False


def _without_underlines(lines: list[str]) -> list[str]:
    """Headings without their underlines and overlines; a heading with nothing below it goes too.

    A heading's level is the order in which its kind of underline first came up.
    """
    levels: list[str] = []
    pending: list[tuple[int, str]] = []  # level and words of headings that still wait for a first line
    out: list[str] = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        underline = _UNDERLINE.match(below)
        if _UNDERLINE.match(line):
            continue
        if line.strip() and underline:
            if underline[1] not in levels:
                levels.append(underline[1])
            level = levels.index(underline[1])
            pending = [(other, words) for other, words in pending if other < level]
            pending.append((level, line.strip()))
        elif pending and line.strip():
            for _, words in pending:
                out += ["", words]
            out.append(line)
            pending = []
        elif not pending:
            out.append(line)
    return out
