"""Characters and lines are repaired, and nothing that an author typed is lost."""

from __future__ import annotations

import unicodedata

import ftfy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptmill.corpus.text import mend_letters, repair, settle, stream_safe, tidy_lines

# Alphabets in which broken text is likely: mojibake, C1, entities, ligatures, invisible characters.
AWKWARD = st.text(
    st.sampled_from(
        "aé Ã©â€™œ\x80\x85\x93ï»¿&;lt<amp#x\x1b[0m"
        "\r\n\u2028\u200b\ufeff\u00ad\ufb01Ａ\t\x00\x0b\x0c\u0301\x7f"
    )
)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("It\u00e2\u0080\u0099s caf\u00c3\u00a9", "It’s café"),  # UTF-8 read as Latin-1
        ("\x93Hello\x94 and\x85", "“Hello” and…"),  # Windows-1252 read as Latin-1
        ("one\x85two", "one\ntwo"),  # NEL, alone
        ("\ufeffText with a BOM", "Text with a BOM"),
        ("zero\u200bwidth, soft\u00adhyphen", "zerowidth, softhyphen"),
        ("bell\x07 delete\x7f nul\x00", "bell delete nul"),
        ("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg", "a\nb\nc\nd\ne\nf\ng"),
        ("line  \t\nnext\n\n\n\n\nlast\n", "line\nnext\n\nlast"),
        ("\n  \n    indented first line", "    indented first line"),
        ("e\u0301", "é"),  # NFC
        ("\ufb01nd the \ufb02aw", "find the flaw"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("Tom &amp; Jerry&hellip;", "Tom & Jerry…"),
        ("10\u00a0km, 1\u202f000\u2009m,\u3000full width", "10 km, 1 000 m,\u3000full width"),
    ],
)
def test_broken_text_is_mended(broken: str, mended: str) -> None:
    assert repair(broken) == mended


@pytest.mark.parametrize(
    "text",
    [
        "“Curly quotes” stay, and ‘these’ – with dashes — too…",
        "Full-width Ａ and ideographic　space",
        "Write <b> as &lt;b&gt;",  # where there is markup, an entity is meant
        "می‌خواهم 👩‍🔬",  # zero-width non-joiner and joiner carry meaning
        "Naïve Ångström, α ≤ β, Tomáš",
        "\tTabs\tand    runs of spaces",
    ],
)
def test_what_is_meant_stays(text: str) -> None:
    assert repair(text) == text


@settings(deadline=None)
@given(AWKWARD)
@example("&#x85;\n<")
@example("a\n\u00c3\u0085\nb")
def test_marked_lines_give_what_ftfy_gives_for_all(text: str) -> None:
    entities = "<" not in text
    config = ftfy.TextFixerConfig(
        unescape_html=entities,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
    )
    assert mend_letters(text) == ftfy.fix_text(text, config)


@settings(deadline=None)
@given(AWKWARD | st.text())
def test_repair_settles(text: str) -> None:
    once = settle(repair, text)
    assert repair(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not [char for char in once if unicodedata.category(char) == "Cc" and char not in "\n\t"]


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0344", "\u0f73", "\u0301\u200b\u0316"])
def test_marks_without_end_are_cut_into_runs(marks: str) -> None:
    hostile = "before a" + marks * 5_000 + "b after"  # NFC costs the square of a run
    text = settle(repair, hostile)
    assert repair(text) == text
    assert longest_run(text) in (30, 31)  # with the mark of a composed letter
    plain = unicodedata.normalize("NFD", text).replace("\u034f", "")
    assert sorted(plain) == sorted(unicodedata.normalize("NFD", hostile.replace("\u200b", "")))


def longest_run(text: str) -> int:
    marks = ("x" if unicodedata.combining(char) else " " for char in unicodedata.normalize("NFD", text))
    return max(map(len, "".join(marks).split()), default=0)


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from("aé─\u0301\u0316\u0344\u0f73\u05b0\u034f")).map(lambda text: text * 12))
def test_only_long_runs_of_marks_are_changed(text: str) -> None:
    safe = stream_safe(text)
    assert safe.replace("\u034f", "") == text.replace("\u034f", "")
    assert stream_safe(safe) == safe
    if longest_run(text) <= 30:
        assert safe == text
    once = settle(repair, text)
    assert repair(once) == once


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \t\n")))
def test_tidying_keeps_every_word(text: str) -> None:
    tidy = tidy_lines(text)
    assert tidy.split() == text.split()
    assert "\n\n\n" not in tidy
    assert not any(line != line.rstrip() for line in tidy.split("\n"))
