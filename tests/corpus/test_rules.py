"""Rules: the first that fails is the reason; a threshold on no signal never starts."""

from __future__ import annotations

import daft
import pytest
from daft import col

from gptmill.corpus.presets import DOCS, PRESETS
from gptmill.corpus.rules import reason
from gptmill.corpus.signals import SIGNALS
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.clean import Clean, Threshold

ROWS = {"n_words": [10, 20, 100, 101, 0], "mean_word_length": [2.0, 3.0, 10.0, 1.0, 0.0]}


def reasons(rules: dict[str, Threshold]) -> list[str | None]:
    named = {"empty": col("n_words") == 0}
    plan = daft.from_pydict(ROWS).select(reason(named, rules).alias("reason"))
    return list(plan.to_pydict()["reason"])


def test_the_first_failing_rule_is_the_reason_and_bounds_are_inside() -> None:
    words, length = Threshold(min=20, max=100), Threshold(min=3, max=10)
    assert reasons({"n_words": words, "mean_word_length": length}) == [
        "n_words",
        None,
        None,
        "n_words",
        "empty",
    ]
    assert reasons({"mean_word_length": length, "n_words": words}) == [
        "mean_word_length", None, None, "mean_word_length", "empty",
    ]  # fmt: skip


def test_without_rules_only_the_empty_go() -> None:
    assert reasons({}) == [None, None, None, None, "empty"]


def test_a_threshold_that_names_no_signal_is_an_error() -> None:
    with pytest.raises(UserError, match='"n_word" is no signal; did you mean "n_words"'):
        check(
            Clean,
            {"replace_pii": True, "preset": "docs", "rules": {"n_word": {"min": 20}}},
            "params.yaml: clean",
        )


def test_a_threshold_without_sides_is_an_error() -> None:
    with pytest.raises(UserError, match=r"rules\.n_words: a threshold needs min, max or both"):
        check(Clean, {"replace_pii": True, "preset": "docs", "rules": {"n_words": {}}}, "params.yaml: clean")


def test_a_threshold_that_nothing_can_meet_is_an_error() -> None:
    with pytest.raises(UserError, match=r"min = 5\.0 is above max = 4\.0"):
        check(
            Clean,
            {"replace_pii": True, "preset": "docs", "rules": {"n_words": {"min": 5, "max": 4}}},
            "params.yaml: clean",
        )


def test_a_preset_is_changed_by_rules() -> None:
    raw = {"n_words": {"min": 5}, "stop_words_any_case": None, "c4_sentences": {"min": 1}}
    limits = check(Clean, {"replace_pii": True, "preset": "docs", "rules": raw}, "clean").resolved_rules()
    assert limits["n_words"] == Threshold(min=5)
    assert "stop_words_any_case" not in limits
    assert list(limits) == [name for name in DOCS if name != "stop_words_any_case"] + ["c4_sentences"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_signals_and_limits_that_can_be_met(preset: str) -> None:
    limits = Clean(replace_pii=True, preset=preset).resolved_rules()
    assert set(limits) <= set(SIGNALS)
    assert list(limits) == list(PRESETS[preset])
