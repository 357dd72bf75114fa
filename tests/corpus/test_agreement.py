"""Our presets decide as datatrove's filters do, given the same words; the small version of the benchmark."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("datatrove", reason="datatrove is not installed")
sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.agreement import compare

WORDS = [
    "the", "be", "to", "of", "and", "that", "have", "with", "a", "cat", "sat", "on", "mat", "don't", "café",
    ".", ",", "-", "•", "#", "...", "…", "12", "{x}", "The", "terms", "use", "Lorem", "ipsum", "javascript",
    "[1]", "[citation needed]", "end.", "why?", '"so."', "e.g.", "。", "x" * 40, "y" * 1001, "１",
]  # fmt: skip
ENDS = [" ", " ", " ", " ", " ", " ", "\n", "\n\n", "\n\n\n", ".\n", " \n", "\r\n", "\t", "\u2028"]


def random_text(draw: random.Random) -> str:
    """Words with repeats, ends of lines and all that the rules look at."""
    vocabulary = draw.sample(WORDS, draw.randint(2, len(WORDS)))
    phrase = "".join(draw.choice(vocabulary) + draw.choice(ENDS) for _ in range(draw.randint(1, 30)))
    rest = "".join(draw.choice(vocabulary) + draw.choice(ENDS) for _ in range(draw.randint(0, 120)))
    return phrase * draw.randint(1, 4) + rest


def good_text(draw: random.Random) -> str:
    """Sentences that pass most rules, so that each rule's limit decides somewhere."""
    sentences = [
        " ".join([*draw.choices(WORDS[:15], k=draw.randint(3, 9)), f"word{draw.randint(0, 60)}"]) + "."
        for _ in range(draw.randint(3, 25))
    ]
    if draw.random() < 0.6:
        sentences += draw.choices(sentences, k=draw.randint(1, 4))
    if draw.random() < 0.3:
        sentences.insert(draw.randint(0, 5), draw.choice(WORDS[15:]))
    return draw.choice(["\n", " ", "\n\n"]).join(sentences)


@pytest.mark.parametrize("make", [random_text, good_text])
def test_decisions_equal_datatroves(make) -> None:
    draw = random.Random(7)
    texts = [make(draw) for _ in range(400)]
    for preset, found in compare(texts).items():
        assert found["differences"] == [], preset
        assert found["dropped_by_both"] > 0


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("ab .!\n\r#-•…{\"'１\u2028\x1c")))
def test_decisions_equal_on_odd_texts(text: str) -> None:
    assert all(found["differences"] == [] for found in compare([text]).values())
