"""Boilerplate: counted across documents, taken out by count, whatever the order."""

from __future__ import annotations

import daft
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.boilerplate import frequent, part_hashes, without_parts

FOOTER = "Subscribe to our weekly newsletter now"
NOTICE = "All rights reserved.\nNo part of this may be copied"
TEXTS = [
    f"A first story of its own.\n{FOOTER}\nIt goes on.\n\n{NOTICE}",
    f"{NOTICE}\n\nA second story of its own.\n\n{FOOTER.upper()}",
    f"{FOOTER}\n{FOOTER}\n\nA third story,  of its own.\n\n{NOTICE}\n\nThe end.",
]


def cleaned(texts: list[str], max_documents: int, min_words: int = 5) -> list[tuple[str, int]]:
    plan = daft.from_pydict({"parts": [part_hashes(text, min_words) for text in texts]})
    unwanted = frequent(plan, max_documents)
    return [without_parts(text, unwanted, min_words) for text in texts]


def test_what_more_documents_share_goes() -> None:
    assert cleaned(TEXTS, max_documents=2) == [
        ("A first story of its own.\nIt goes on.", 2),
        ("A second story of its own.", 2),
        ("A third story,  of its own.\n\nThe end.", 3),
    ]


def test_what_as_many_documents_share_stays() -> None:
    assert cleaned(TEXTS, max_documents=3) == [(text, 0) for text in TEXTS]


def test_short_parts_stay_and_repeats_in_one_document_count_once() -> None:
    texts = ["a b c\n" * 9, "a b c\nd", "one two three four five\n" * 9]
    assert cleaned(texts, max_documents=1) == [(text, 0) for text in texts]
    assert cleaned(texts, max_documents=1, min_words=3)[1] == ("d", 1)


@given(st.permutations(TEXTS))
def test_the_order_of_documents_does_not_matter(texts: list[str]) -> None:
    assert part_hashes("\n\n".join(texts), 5) == part_hashes("\n\n".join(TEXTS), 5)


@given(st.text(), st.integers(1, 3))
def test_any_text_has_hashes_and_loses_all_of_its_parts(text: str, min_words: int) -> None:
    hashes = part_hashes(text, min_words)
    rest, removed = without_parts(text, frozenset(hashes), min_words)
    assert (removed > 0) == bool(hashes)
    assert part_hashes(rest, min_words) == []
