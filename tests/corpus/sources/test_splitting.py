from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.sources.splitting import split_paragraphs

LINES = st.lists(
    st.sampled_from(["a", "word ", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", " \n", "\t", "é", "long" * 9])
)


@given(LINES.map("".join), st.integers(3, 60))
def test_nothing_is_lost_and_no_piece_is_longer(text: str, max_chars: int) -> None:
    pieces = split_paragraphs(text, max_chars)
    assert "".join(pieces) == text
    assert all(len(piece) <= max_chars for piece in pieces)
    assert all(pieces) or text == ""
    assert not any(a.endswith("\r") and b.startswith("\n") for a, b in pairwise(pieces))


def test_cuts_at_blank_lines_of_any_kind() -> None:
    for end in ("\n", "\r\n", "\r"):
        paragraphs = [f"Paragraph {i} has{end}two lines.{end}{end}" for i in range(20)]
        pieces = split_paragraphs("".join(paragraphs), 150)
        assert len(pieces) > 3
        assert all(piece.endswith(end + end) and piece.startswith("Paragraph") for piece in pieces)


def test_pieces_are_of_about_equal_size() -> None:
    pieces = split_paragraphs("One short paragraph.\n\n" * 100, 2000)  # 2,200 characters
    assert [len(piece) for piece in pieces] == [1100, 1100]


def test_a_paragraph_longer_than_a_piece_is_cut_at_lines_then_spaces() -> None:
    assert split_paragraphs("one two\nthree four\nfive six\n", 20) == ["one two\nthree four\n", "five six\n"]
    assert split_paragraphs("one two three four", 10) == ["one two ", "three four"]


def test_short_text_is_one_piece() -> None:
    assert split_paragraphs("a\n\nb", 100) == ["a\n\nb"]
    assert split_paragraphs("", 100) == [""]
