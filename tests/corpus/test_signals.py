"""Signals: hand-computed values, and names that parameters can check without heavy imports."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.lines import sentences
from gptmill.corpus.measure import measure
from gptmill.corpus.repetition import stable_order
from gptmill.corpus.signals import COUNTS, PII_KINDS, SIGNALS

# Those that `measure` computes; clean itself knows the rest.
MEASURED = [
    name
    for name in SIGNALS
    if name not in {"language_confidence", "boilerplate_parts"} and not name.startswith("pii_")
]


def signals_of(text: str) -> dict[str, float]:
    return {name: column[0].item() for name, column in measure([text]).items()}


def test_hand_computed() -> None:
    text = "# The cat, with 3 hats...\n- The end.\n\n- The end."
    signals = signals_of(text)
    assert signals["n_words"] == 9  # "#" and both "-" are none
    assert signals["mean_word_length"] == pytest.approx(33 / 9)
    assert signals["symbol_word_ratio"] == pytest.approx(1 / 12)
    assert signals["bullet_lines_ratio"] == pytest.approx(2 / 4)  # of all lines, the blank one too
    assert signals["ellipsis_lines_ratio"] == pytest.approx(1 / 4)
    assert signals["alphabetic_words_ratio"] == pytest.approx(8 / 12)
    assert signals["stop_words"] == 1  # with
    assert signals["stop_words_any_case"] == 2  # The, with
    assert signals["duplicate_line_ratio"] == pytest.approx(1 / 3)
    assert signals["duplicate_line_char_ratio"] == pytest.approx(10 / len(text))
    assert signals["duplicate_paragraph_ratio"] == 0
    assert signals["top_2gram_char_ratio"] == pytest.approx(2 * len("- The") / len(text))
    assert signals["repeated_top_2gram_char_ratio"] == signals["top_2gram_char_ratio"]
    assert signals["top_4gram_char_ratio"] == pytest.approx(len("# The cat, with") / len(text))
    assert signals["repeated_top_4gram_char_ratio"] == 0
    assert signals["duplicate_5gram_char_ratio"] == 0
    assert signals["terminal_punctuation_lines_ratio"] == 1
    assert signals["short_lines_ratio"] == 1
    assert signals["line_char_duplicates_ratio"] == pytest.approx(10 / (len(text) - 3))
    assert signals["newline_word_ratio"] == pytest.approx(3 / 12)


def test_a_closing_quote_ends_a_sentence_line_only() -> None:
    signals = signals_of('He said: "Go."\nShe went.\nand so')
    assert signals["terminal_punctuation_lines_ratio"] == pytest.approx(1 / 3)
    assert signals["sentence_lines_ratio"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("space", [" ", "  ", " \t "])
def test_no_sentence_begins_with_a_small_letter(space: str) -> None:
    assert sentences(f"Use this, e.g.{space}one of them.") == 1
    assert sentences(f"Use this.{space}One of them.") == 2


def test_letters_count_in_other_scripts_too() -> None:
    assert signals_of("Über ½ ² naïve")["alphabetic_words_ratio"] == 0.5


def test_punctuation_is_no_word_of_its_own() -> None:
    """datatrove splits punctuation off, and so dropped 47 % of a technical corpus for lack of letters."""
    text = "If x is given, f(x, y) is called; else (the default), g(x) is: see 'Notes', below."
    assert signals_of(text)["alphabetic_words_ratio"] == 1


@settings(deadline=None)
@given(st.lists(st.text(), max_size=4))
def test_every_signal_is_a_finite_number(texts: list[str]) -> None:
    columns = measure(texts)
    assert sorted(columns) == sorted(MEASURED)
    for name, column in columns.items():
        assert column.shape == (len(texts),)
        assert np.isfinite(column).all()
        assert (column >= 0).all()
        assert (column.dtype.kind in "iu") == (name in COUNTS)
        if "duplicate" in name or "lines_ratio" in name:
            assert (column <= 1).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.sampled_from("ab .\n#-")), min_size=1, max_size=5))
def test_a_batch_measures_each_text_as_if_it_were_alone(texts: list[str]) -> None:
    together = measure(texts)
    alone = [measure([text]) for text in texts]
    for name, column in together.items():
        assert column.tolist() == [one[name][0].item() for one in alone]


def test_every_signal_is_described() -> None:
    assert all(SIGNALS.values())
    assert set(SIGNALS) >= COUNTS >= {f"pii_{kind}" for kind in PII_KINDS}


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, gptmill.corpus.signals, gptmill.corpus.presets; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "daft", "pyarrow", "ftfy", "pandas", "torch", "pycld2"} & set(loaded)


@given(st.lists(st.integers(0, 9) | st.integers(0, 2**62 - 1)))
def test_the_packed_sort_is_the_stable_one(keys: list[int]) -> None:
    array = np.array(keys, np.int64)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()
