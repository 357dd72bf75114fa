"""The skeleton of a page: sections, tables, bars and tiles, well-formed as XML, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gptmill.html.style import STYLE
from gptmill.html.text import Markup, escape, join

Cell = str  # `Markup` stands as it is, anything else is escaped


def page(title: str, lead: str, sections: Sequence[tuple[str, Markup]], style: str = "") -> str:
    """A whole document: a heading, one sentence, links to the sections, and the sections.

    Args:
        sections: (title, content); a section's address is its title in lower case.
        style: rules that only this page needs.
    """
    links = Markup(" · ".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in sections))
    body = join(
        [
            Markup(f'<section id="{_anchor(name)}">\n<h2>{escape(name)}</h2>\n{content}\n</section>')
            for name, content in sections
        ]
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>{escape(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def _anchor(title: str) -> Markup:
    return Markup("-".join("".join(char if char.isalnum() else " " for char in title.lower()).split()))


def paragraph(*parts: str) -> Markup:
    """A paragraph; plain strings are escaped."""
    return Markup(f"<p>{''.join(escape(part) for part in parts)}</p>")


def code(text: str) -> Markup:
    """A name that stands in a file or on a command line."""
    return Markup(f"<code>{escape(text)}</code>")


def tiles(items: Iterable[tuple[str, str, str]]) -> Markup:
    """Key figures: (figure, what it counts, a remark)."""
    cells = [
        Markup(f"<div><dt>{escape(name)}</dt><dd>{escape(figure)}<small>{escape(remark)}</small></dd></div>")
        for figure, name, remark in items
    ]
    return Markup(f'<dl class="tiles">\n{join(cells)}\n</dl>')


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], foot: Sequence[Cell] = ()
) -> Markup:
    """A table whose first column is text and whose others are numbers, aligned right.

    Args:
        caption: says what one row is; it is read out, and shown above the table.
        foot: a last row of totals.
    """
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "\n".join(_row(row) for row in rows)
    footer = f"\n<tfoot>\n{_row(foot)}\n</tfoot>" if foot else ""
    return Markup(
        f'<div class="scroll"><table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>{footer}\n</table></div>"
    )


def _row(cells: Sequence[Cell]) -> str:
    first, *others = cells
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'<tr><th scope="row">{escape(first)}</th>{numbers}</tr>'


def bar(label: str, *strips: tuple[str, float]) -> Markup:
    """A cell for `table`: the label over a bar, made of strips (class of the colour, share of the track).

    Strips begin at the same place, so the widest comes first.

    The bar repeats what the row's numbers say, so it is hidden from screen readers.
    """
    drawn = "".join(
        f'<i class="{colour}" style="width:{100 * min(1.0, max(0.0, part)):.2f}%"></i>'
        for colour, part in strips
    )
    name = escape(label).replace("_", "_<wbr />")
    return Markup(f'{name}<span class="bar" aria-hidden="true">{drawn}</span>')


def legend(items: Iterable[tuple[str, str]]) -> Markup:
    """What the colours mean: (class of the colour, name)."""
    entries = "".join(f'<li><i class="{colour}"></i>{escape(name)}</li>' for colour, name in items)
    return Markup(f'<ul class="legend">{entries}</ul>')


def figure(drawing: Markup, caption: str, title: str = "", wide: bool = False) -> Markup:
    """A drawing with its title above and its caption below it."""
    kind = ' class="wide"' if wide else ""
    head = f"<h3>{escape(title)}</h3>\n" if title else ""
    return Markup(f"<figure{kind}>\n{head}{drawing}\n<figcaption>{escape(caption)}</figcaption>\n</figure>")


def details(summary: str, content: Markup, shown: bool = False) -> Markup:
    """Content that a reader opens and closes."""
    state = ' open="open"' if shown else ""
    return Markup(f"<details{state}>\n<summary>{escape(summary)}</summary>\n{content}\n</details>")


def grid(items: Sequence[Markup]) -> Markup:
    """Small figures side by side, as many as the screen has room for."""
    return Markup(f'<div class="grid">\n{join(list(items))}\n</div>')


def excerpt(text: str) -> Markup:
    """Text of a document, its lines kept, in its own direction."""
    return Markup(f'<pre dir="auto">{escape(text)}</pre>')
