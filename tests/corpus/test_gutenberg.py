"""Each generation's frame in small, written for this test, and the real books where they are at hand."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.gutenberg import body_span, sections, strip_boilerplate
from gptmill.corpus.sources.encodings import decode

BODY = (
    "\nTHE TITLE\n\nby A. Writer\n\n" + "It was a line of the book.\nAnd one more.\n\n" * 400 + "THE END\n\n"
)

FRAMES = {
    "2005": (
        "\nThe Project Gutenberg EBook of The Title, by A. Writer\n\nThis eBook is for anyone.\n\n"
        "*** START OF THIS PROJECT GUTENBERG EBOOK THE TITLE ***\n",
        "End of the Project Gutenberg EBook of The Title, by A. Writer\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK THE TITLE ***\n\n"
        "*** START: FULL LICENSE ***\n\nMany words.\n",
    ),
    "2010, title over two lines": (
        "Project Gutenberg's The Title\n\n"
        "***START OF THE PROJECT GUTENBERG EBOOK THE TITLE,\nOR SOME OTHER***\n",
        "***END OF THE PROJECT GUTENBERG EBOOK THE TITLE,\nOR SOME OTHER***\n\nUpdated editions\n",
    ),
    "2003, small print behind": (
        "The Project Gutenberg EBook The Title\n\n*** START OF THE PROJECT GUTENBERG EBOOK, TITLE ***\n",
        "*** END OF THE PROJECT GUTENBERG EBOOK, TITLE ***\n\n"
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN EBOOKS**START***\nWords.\n"
        "*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n",
    ),
    "1993, small print before": (
        "**The Project Gutenberg Etext of The Title**\n\nCopyright laws are changing.\n\n"
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nWords.\n\n"
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n",
        "End of The Project Gutenberg Etext of The Title\n",
    ),
    "1991, only an announcement": (
        "The Project Gutenberg Etext of The Title\n\nThis etext was released in 1991.\n\n",
        "End of this Project Gutenberg Etext of The Title\n",
    ),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("generation", FRAMES)
def test_the_body_is_found_exactly(generation: str, end: str) -> None:
    header, footer = (part.replace("\n", end) for part in FRAMES[generation])
    body = BODY.replace("\n", end)
    if generation.startswith("1991"):
        body = body.removeprefix(end)  # without a marker the blank lines belong to the header
    text = header + body + footer
    start, stop = body_span(text)
    assert text[start:stop] == body
    assert sections(text) == [("gutenberg_header", header), ("body", body), ("gutenberg_footer", footer)]
    assert strip_boilerplate(text) == body


@pytest.mark.parametrize(
    "credit",
    [
        "Produced by Ann Other and the Online Distributed\nProofreading Team at http://www.pgdp.net\n",
        "E-text prepared by anonymous Project Gutenberg\nvolunteers\n",
        "Transcribed from the 1907 edition by A. Person, email\nperson@example.org\n",
        "This etext was created by A. Person, of Omaha.\n",
        "[Project Gutenberg Editor's Note: there is another version]\n",
        "Transcriber's Note: Obvious errors were corrected.\n",
        "This text was done by volunteers of the Gutenberg Project.\n",
        "Note: The Title by A. Writer, etext #150\n",
    ],
)
def test_credits_at_the_ends_of_a_body_go(credit: str) -> None:
    book = BODY.lstrip("\n")
    assert strip_boilerplate(credit + "\n\n" + book) == book
    assert strip_boilerplate(book + credit) == book


def test_a_credit_within_a_paragraph_takes_only_its_lines() -> None:
    book = BODY.lstrip("\n")
    begun = "The Title by A. Writer\n"
    assert strip_boilerplate(begun + "Scanned and proofed by A. P.\n\n\n" + book) == begun + book


def test_prose_that_sounds_like_a_credit_stays() -> None:
    prose = (
        "The effect was a sound like that\nproduced by the strings of a harp.\n\n"
        "Prepared as he was, Tom stayed.\n\nHe pulled up a chair on some pretext or other.\n\n"
    )
    assert strip_boilerplate(prose * 3) == prose * 3
    middle = BODY * 2 + "He read what Project Gutenberg had to say.\n\n" + BODY * 2
    assert strip_boilerplate(middle) == middle


def test_another_text_is_left_alone() -> None:
    for text in (
        "",
        "Just a text.\n\nOf two paragraphs.",
        "A word on Project Gutenberg, and its END OF days.\n" * 3,
    ):
        assert body_span(text)[1] == len(text)
    assert sections("Just a text.") == [("", "Just a text.")]
    assert sections("") == [("", "")]


@given(
    st.lists(st.sampled_from([*FRAMES["2005"], *FRAMES["1993, small print before"], "Prose.\n\n", "\r\n"]))
)
def test_sections_put_together_are_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    assert "".join(part for _, part in sections(text)) == text


BOOKS = Path(os.environ.get("GPTMILL_SHARED", Path(__file__).parents[3] / "shared")) / "data/corpora/books"
LEFTOVER = re.compile(
    r"project gutenberg|small print|\betext|gutenberg etext|distributed proofread|www\.gutenberg|pgdp\.net"
    r"|tax deductible|\*\*\* ?(start|end)",
    re.IGNORECASE,
)


@pytest.mark.skipif(not BOOKS.is_dir(), reason=f"the real books are not at {BOOKS} (set GPTMILL_SHARED)")
def test_real_books_keep_all_but_the_boilerplate() -> None:
    paths = sorted(BOOKS.glob("*.txt"))
    assert paths
    for path in paths:
        text = decode(path.read_bytes()).text
        start, end = body_span(text)
        book = strip_boilerplate(text)
        assert LEFTOVER.search(book) is None, path.name
        assert 400 < start < 13_000, path.name
        assert 60 < len(text) - end < 20_000, path.name
        assert end - start - len(book) < 1_000, path.name
