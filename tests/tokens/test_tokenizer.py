"""The tokenizer loses nothing, and its file depends on nothing but the text."""

from __future__ import annotations

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from gptmill.errors import UserError
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

TEXTS = [
    "The array is sorted in place.\n\n    Parameters\n    a : ndarray of 1234 values, naïve or not\n",
    "Returns the index of the largest element; see also `argmin` and the notes below.\n",
    "Graphs, trees and matrices: nodes are visited in order, edges carry weights.\n",
] * 40


def model(kind: str = "bpe", size: int = 320) -> bytes:
    return train_tokenizer(TEXTS, size, kind, 0.9995)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(model())


@given(st.text())
@example("\u2581 a \u2581\u2581b")  # SentencePiece's own mark for a space
@example("  two  spaces \t\r\n\n")
@example("<|endoftext|> <unk> <0x41> \x00 \ufeff ｆｕｌｌ ﬁ e\u0301 \U0001f600")
def test_decoding_gives_back_every_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos_id not in ids
    assert all(0 <= i < tokenizer.vocab_size for i in ids)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_same_texts_give_the_same_file_of_the_wanted_size(kind: str) -> None:
    first = model(kind)
    assert first == model(kind)
    assert Tokenizer(first).vocab_size == 320


def test_plain_text_is_tokenized_as_sentencepiece_does(tokenizer: Tokenizer) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_proto=model())
    assert [tokenizer.encode(text) for text in TEXTS[:3]] == [reference.encode(text) for text in TEXTS[:3]]


def test_long_lines_are_learned_from() -> None:
    # SentencePiece's default drops training lines over 4,192 bytes.
    long = Tokenizer(train_tokenizer(["zyxwv " * 2000, *TEXTS], 330, "bpe", 0.9995))
    assert len(long.encode(" zyxwv zyxwv")) <= 4


def test_vocabulary_larger_than_the_text_supports() -> None:
    with pytest.raises(UserError, match=r"tokenize\.vocab_size = 90000 .* at most \d+"):
        train_tokenizer(TEXTS, 90_000, "bpe", 0.9995)


def test_vocabulary_too_small_for_the_characters() -> None:
    texts = ["".join(chr(c) for c in range(0x4E00, 0x4F00))] * 3
    with pytest.raises(UserError, match=r"tokenize\.vocab_size = 300 is too small"):
        train_tokenizer(texts, 300, "bpe", 1.0)
