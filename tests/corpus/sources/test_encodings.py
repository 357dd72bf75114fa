from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.sources.encodings import Decoded, decode
from gptmill.corpus.sources.units import Unreadable, valid_text

ENGLISH = "The naïve café in Köln served a soufflé. " + "It was a plain English evening. " * 20


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "ascii"),
        ("naïve — “so”".encode(), "utf-8"),
        (codecs.BOM_UTF8 + "é".encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + "é\n".encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + "é\n".encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + "é\n".encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + "é\n".encode("utf-32-be"), "utf-32-be"),
        (ENGLISH.encode("latin-1"), "latin-1"),
        ((ENGLISH + "“quoted” – œuvre").encode("windows-1252"), "windows-1252"),
    ],
)
def test_detects(data: bytes, encoding: str) -> None:
    decoded = decode(data)
    assert decoded.encoding == encoding
    assert not decoded.text.startswith("\ufeff")
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    if "-16" not in encoding and "-32" not in encoding:
        assert decoded.text.encode(encoding) == data.removeprefix(mark)


def test_one_accent_in_a_long_english_text_stays_western() -> None:
    # Guessers read such files as cp1250, mac_roman or cp1006.
    for accent in "éèàïöüçæ£°":
        text = "Nothing but English words here. " * 500 + accent
        assert decode(text.encode("latin-1")) == Decoded(text, "latin-1")


def test_mostly_foreign_letters_are_not_read_as_western() -> None:
    text = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. " * 20
    assert decode(text.encode("cp1251")).text == text


@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        (b"abc\x00def", "", "0x00 at offset 3"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(64)), "", "is not text"),
        (codecs.BOM_UTF8 + b"ab\xff", "", "0xff at offset 5"),
        (
            "é".encode() * 9 + b"\xff" + "ü".encode(),
            "",
            "0xff at offset 18",
        ),  # damaged UTF-8, not Windows-1252
        (b"abc\xe9", "utf-8", "0xe9 at offset 3"),
        (b"abc\xe9", "ascii", "0xe9 at offset 3"),
        (b"some English text with a stray \x81 and \x93quotes\x94", "", "0x81 at offset 31"),
    ],
)
def test_says_where_bytes_are_no_text(data: bytes, encoding: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        decode(data, encoding)


def test_stray_control_characters_are_left_to_clean() -> None:
    text = "A review of a film.\n" * 20 + "\x05" + "Another.\n" * 20 + "\x1a"
    assert decode(text.encode()) == Decoded(text, "ascii")


def test_a_given_encoding_is_taken_at_its_word() -> None:
    assert decode("zażółć".encode("cp1250"), "cp1250") == Decoded("zażółć", "cp1250")
    assert decode(codecs.BOM_UTF8 + b"a", "utf-8").text == "a"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(lambda text: text.removeprefix("\ufeff")))
def test_utf8_comes_back_unchanged(text: str) -> None:
    assert decode(text.encode()).text == text


@given(st.text(st.characters()))
def test_valid_text_can_be_written(text: str) -> None:
    valid = valid_text(text)
    valid.encode("utf-8")
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert valid == text


def test_surrogates_become_one_character_or_the_replacement() -> None:
    assert valid_text("a\ud83d\ude00b\ud800") == "a😀b\ufffd"
