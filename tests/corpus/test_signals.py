"""Signals: hand-computed values, datatrove's where its definition is ours, and trap 1."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from types import ModuleType
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.signals import DUPLICATE_NGRAMS, SIGNALS, TOP_NGRAMS, measure

WORDS = st.lists(st.sampled_from(["aa", "bb", "cc", "dd"]), max_size=60)
LINES = st.lists(st.sampled_from(["one line.", "two", "a third line"]), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    name = "datatrove.pipeline.filters.gopher_repetition_filter"
    return cast(ModuleType, pytest.importorskip(name, reason="datatrove is not installed"))


def test_hand_computed() -> None:
    text = "# The cat, with 3 hats...\n- The end.\n\n- The end."
    signals = measure(text)
    assert signals["n_words"] == 12
    assert signals["mean_word_length"] == pytest.approx(36 / 12)
    assert signals["symbol_word_ratio"] == pytest.approx(1 / 12)
    assert signals["bullet_lines_ratio"] == pytest.approx(2 / 3)
    assert signals["ellipsis_lines_ratio"] == pytest.approx(1 / 3)
    assert signals["alphabetic_words_ratio"] == pytest.approx(8 / 12)
    assert signals["stop_words"] == 2  # the, with
    assert signals["duplicate_line_ratio"] == pytest.approx(1 / 3)
    assert signals["duplicate_line_char_ratio"] == pytest.approx(10 / len(text))
    assert signals["duplicate_paragraph_ratio"] == 0
    assert signals["top_2gram_char_ratio"] == pytest.approx(2 * len("- The") / len(text))
    assert signals["duplicate_5gram_char_ratio"] == 0
    assert signals["terminal_punctuation_lines_ratio"] == 1
    assert signals["short_lines_ratio"] == 1
    assert signals["newline_word_ratio"] == pytest.approx(3 / 12)


def test_symbols_count_in_other_scripts_too() -> None:
    assert measure("Über ½ ² naïve")["alphabetic_words_ratio"] == 0.5


def test_punctuation_is_no_word_of_its_own() -> None:
    """datatrove splits punctuation off, and so dropped 47 % of a technical corpus for lack of letters."""
    text = "If x is given, f(x, y) is called; else (the default), g(x) is: see 'Notes', below."
    pieces = re.findall(r"\w+|[^\w\s]", text)
    assert sum(piece.isalpha() for piece in pieces) / len(pieces) < 0.6
    assert measure(text)["alphabetic_words_ratio"] == 1


@settings(deadline=None)
@given(st.text())
def test_every_signal_is_a_finite_number(text: str) -> None:
    signals = measure(text)
    assert list(signals) == list(SIGNALS)
    assert all(math.isfinite(value) and value >= 0 for value in signals.values())
    assert all(value <= 1 for name, value in signals.items() if "duplicate" in name or "lines" in name)


@settings(deadline=None)
@given(words=WORDS)
def test_ngrams_as_datatrove_counts_them(theirs: ModuleType, words: list[str]) -> None:
    text = " ".join(words)
    signals = measure(text)
    for n in DUPLICATE_NGRAMS:
        expected = theirs.find_all_duplicate(words, n) / max(len(text), 1)
        assert signals[f"duplicate_{n}gram_char_ratio"] == pytest.approx(expected)
    for n in TOP_NGRAMS:
        grams = theirs.get_n_grams(words, n)
        expected = 0.0
        if len(set(grams)) < len(grams):  # what occurs once is no repetition here
            expected = theirs.find_top_duplicate(grams) / len(text)
        assert signals[f"top_{n}gram_char_ratio"] == pytest.approx(expected)


@settings(deadline=None)
@given(lines=LINES)
def test_duplicates_as_datatrove_counts_them(theirs: ModuleType, lines: list[str]) -> None:
    for separator, name in (("\n", "line"), ("\n\n", "paragraph")):
        text = separator.join(lines)
        number, chars = theirs.find_duplicates(lines)
        signals = measure(text)
        assert signals[f"duplicate_{name}_ratio"] == pytest.approx(number / len(lines))
        assert signals[f"duplicate_{name}_char_ratio"] == pytest.approx(chars / len(text))


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, gptmill.corpus.signals; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "daft", "pyarrow", "ftfy", "pandas", "torch"} & set(loaded)
