"""Code and markup leave a docstring; its sentences stay, word for word."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.inline import plain_inline
from gptmill.corpus.prose import prose


def shown(text: str) -> str:
    return prose(dedent(text).strip("\n"))


def test_a_numpydoc_docstring() -> None:
    before = """
        Return the sum, see :func:`~numpy.sum`.

        .. versionadded:: 1.2

        Parameters
        ----------
        a : array_like
            What to add. If ``None``, nothing::

                add(None)

            is added.

        Examples
        --------
        >>> add([1, 2])
        3

        Notes
        -----
        The sum [1]_ is

        .. math::

            \\sum_i a_i

        .. note::

            Slow.

        References
        ----------
        .. [1] A. Author, "Sums",
           1999.
        """
    after = """
        Return the sum, see `sum`.

        Added in version 1.2.

        Parameters
        a : array_like
            What to add. If `None`, nothing:

            is added.

        Notes
        The sum [1] is

        Note: Slow.

        References
        [1] A. Author, "Sums",
            1999.
        """
    assert shown(before) == dedent(after).strip("\n")


@pytest.mark.parametrize(
    ("block", "left"),
    [
        ("Text.\n\n>>> f(1)\n... g(2)\n3\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n  >>> f(1)\n  3\n\nMore.", "Text.\n\nMore."),
        ("Then call::\n\n    f(1)\n\n    g(2)\n\nMore.", "More."),
        ("You can then call it as::\n\n    f(1)\n\nMore.", "You can then call it as:\n\nMore."),
        ("::\n\n    f(1)\n\nMore.", "More."),
        ("Instead of::\n\n>>> f(1)\n\nMore.", "Instead of:\n\nMore."),
        ("Text.\n\n.. code-block:: python\n   :linenos:\n\n   f(1)\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n.. math :: x = y\n    + z\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n.. plot::\n\n   >>> f()\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n```python\nf(1)\n\ng(2)\n```\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n.. _target:\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n.. a comment\n   of two lines\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n== ==\na  b\n== ==\n1  2\n\n3  4\n== ==\n\nMore.", "Text.\n\nMore."),
        ("Text.\n\n+--+--+\n|a |b |\n+==+==+\n|1 |2 |\n+--+--+\n\nMore.", "Text.\n\nMore."),
        (".. warning:: Do not.\n\nMore.", "Warning: Do not.\n\nMore."),
        (".. deprecated:: 1.0\n   Use `g`.\n\nMore.", "Deprecated since version 1.0: Use `g`.\n\nMore."),
        (".. seealso::\n\n   :meth:`.A.b` - and\n   more\n\nEnd.", "See also: `A.b` - and\nmore\n\nEnd."),
        (
            ".. note::\n\n   It may help::\n\n       f()\n\n   again.\n\nMore.",
            "Note: It may help:\n\nagain.\n\nMore.",
        ),
        ("=====\nTitle\n=====\n\nPart\n----\nText.\n\nEmpty\n-----\n", "Title\n\nPart\nText."),
    ],
)
def test_blocks(block: str, left: str) -> None:
    assert prose(block) == left


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        (":class:`numpy.ndarray`", "`numpy.ndarray`"),
        (":py:meth:`~A.b`", "`b`"),
        (":class:`_orm.Session`", "`Session`"),
        (":ref:`the guide <guide_target>`", "the guide"),
        (":math:`O(n \\log n)`", "O(n \\log n)"),
        (":pep:`8`", "PEP 8"),
        ("`the guide\n<https://example.org/x>`__", "the guide"),
        ("`~matplotlib.axes.Axes`", "`Axes`"),
        ("`.Axes.plot`", "`Axes.plot`"),
        ("``a or b``", "`a or b`"),
        ("see [2]_.", "see [2]."),
        ("**bold words**", "bold words"),
        (
            ":param x: the x\n:returns: y\n:raises ValueError: if",
            "x: the x\nReturns: y\nRaises ValueError: if",
        ),
        ("`array`\\ s and \\*args", "`array`s and *args"),
        ("$\\|x\\|\\ y$", "$\\|x\\|\\ y$"),
    ],
)
def test_inline_markup(markup: str, plain: str) -> None:
    assert plain_inline(markup) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Pass *args and **kwargs on; x**2 * y**3 is no emphasis.",
        "The attributes coef_ and intercept_ end in an underscore, [1] does not.",
        "At 10:30 the ratio was 3:4; C++ writes std::vector.",
        "...and so on,\n... as one says.",
        "A dash - or two -- or --- three.",
        "Use a `name` here.",
    ],
)
def test_prose_stays(text: str) -> None:
    assert prose(text) == text


WORD = st.from_regex(r"[a-z]{1,8}[,.]?", fullmatch=True)
PARAGRAPH = st.lists(WORD, min_size=1, max_size=12).map(" ".join)


@settings(deadline=None)
@given(st.lists(PARAGRAPH, min_size=1, max_size=5))
def test_no_word_of_plain_paragraphs_is_lost(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    assert prose(text) == text


@settings(deadline=None)
@given(st.text(st.sampled_from("ab .:`*_->=+|~[]1\\\n ")))
def test_nothing_makes_it_fail(text: str) -> None:
    prose(text)


def test_fences_that_nothing_closes_are_quick() -> None:
    text = "```x\n~~~y\n" * 20_000  # minutes, were each looked for to the end
    assert prose(text) == plain_inline(text).rstrip()


def test_tables_that_nothing_closes_are_quick() -> None:
    text = "=== ===\nx\n" * 20_000  # minutes, were the end looked for from each border
    assert prose(text) == "\n\n".join("x" * 20_000)
