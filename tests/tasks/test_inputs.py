"""The sequences of the paper's figure 1, and what a cut may never touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.errors import UserError
from gptmill.tasks.inputs import Special, pack, sequences, shortened

S, D, E = 100, 101, 102
SPECIAL = Special(S, D, E)
TEXT = st.lists(st.integers(0, 99), max_size=30)


@pytest.mark.parametrize(
    ("form", "texts", "expected"),
    [
        ("classification", [[1, 2]], [[S, 1, 2, E]]),
        ("entailment", [[1, 2], [3]], [[S, 1, 2, D, 3, E]]),
        ("similarity", [[1, 2], [3]], [[S, 1, 2, D, 3, E], [S, 3, D, 1, 2, E]]),
        ("regression", [[1, 2], [3]], [[S, 1, 2, D, 3, E], [S, 3, D, 1, 2, E]]),
        ("regression", [[1, 2]], [[S, 1, 2, E]]),
        ("multiple_choice", [[1], [2], [3], [4, 5]], [[S, 1, 2, D, 3, E], [S, 1, 2, D, 4, 5, E]]),
        ("multiple_choice", [[1], [], [3], []], [[S, 1, D, 3, E], [S, 1, D, E]]),
    ],
)
def test_figure_1(form, texts, expected):
    assert sequences(form, texts, SPECIAL, 20) == expected


@given(st.sampled_from(["classification", "entailment", "similarity", "multiple_choice"]), st.data())
def test_special_tokens_are_never_cut(form, data):
    n = {"classification": 1, "entailment": 2, "similarity": 2, "multiple_choice": 5}[form]
    texts = data.draw(st.lists(TEXT, min_size=n, max_size=n))
    limit = data.draw(st.integers(8, 40))
    for row in sequences(form, texts, SPECIAL, limit):
        assert len(row) <= limit
        assert row[0] == S
        assert row[-1] == E
        assert [token for token in row if token >= 100] == ([S, E] if n == 1 else [S, D, E])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(1, 80))
def test_the_longest_is_cut_token_by_token(lengths, budget):
    slow = list(lengths)
    while sum(slow) > budget:
        longest = max(slow)
        slow[len(slow) - 1 - slow[::-1].index(longest)] -= 1
    assert shortened(lengths, budget) == slow


def test_a_text_loses_its_end():
    assert sequences("entailment", [[1, 2, 3, 4, 5, 6], [7, 8]], SPECIAL, 8) == [[S, 1, 2, 3, D, 7, 8, E]]


def test_no_room():
    with pytest.raises(UserError, match="max_tokens leaves no room"):
        shortened([3], 0)


def test_padding_comes_after_the_extract_token():
    tokens, ends = pack([[S, 1, E], [S, 1, 2, 3, E]], SPECIAL)
    assert tokens.tolist() == [[S, 1, E, E, E], [S, 1, 2, 3, E]]
    assert ends.tolist() == [2, 4]
