"""Which language: real sentences, and `und` rather than a guess."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.language import identify, languages


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat and was happy with its dinner.", "en"),
        ("Die Katze saß auf der Matte und war mit ihrem Essen zufrieden.", "de"),
        ("Le chat était assis sur le tapis et mangeait du fromage.", "fr"),
        ("החתול ישב על השטיח ואכל את ארוחת הערב שלו", "he"),  # CLD2 says "iw"
        ("这只猫坐在垫子上，对它的晚餐很满意。", "zh"),
        ("這隻貓坐在墊子上，對牠的晚餐很滿意。", "zh-Hant"),
    ],
)
def test_languages_by_their_bcp_47_names(text: str, language: str) -> None:
    found, confidence = identify(text)
    assert found == language
    assert confidence > 0.9


@pytest.mark.parametrize("text", ["", "Short.", "0 1 2 3 4 5", "x" * 10_000, "1.5 + 2j == [3]"])
def test_what_is_too_little_to_tell_is_undetermined(text: str) -> None:
    assert identify(text) == ("und", 0.0)


def test_control_characters_do_not_hide_a_language() -> None:
    assert identify("The cat\x00 sat on the\ufffe mat and was happy with its dinner.")[0] == "en"


def test_the_names_that_parameters_may_use() -> None:
    assert {"en", "de", "he", "zh", "zh-Hant", "jv"} <= set(languages())
    assert not {"und", "iw", "un", "zzb", "eng"} & set(languages())


@settings(deadline=None)
@given(st.text())
def test_any_text_has_an_answer_and_always_the_same(text: str) -> None:
    language, confidence = identify(text)
    assert language == "und" or language in languages()
    assert 0 <= confidence <= 1
    assert identify(text) == (language, confidence)
