"""A lossless SentencePiece tokenizer: `decode(encode(text)) == text` for every Unicode text.

SentencePiece's defaults change text: NFKC, collapsed spaces, a space put in front, long lines dropped
while training. All of that is off here, and bytes stand in for characters outside the vocabulary. One
loss is left in the library itself: it writes a space as U+2581, so a U+2581 of the text would come back
as a space. We hand that character over as its three byte tokens.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from gptmill.errors import UserError

EOS_PIECE = "<|endoftext|>"
SPACE_MARK = "\u2581"


class Tokenizer:
    """Text to token ids and back."""

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.vocab_size: int = self._processor.vocab_size()
        self.eos_id: int = self._processor.piece_to_id(EOS_PIECE)
        self._space_mark_ids = [
            self._processor.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE_MARK.encode("utf-8")
        ]

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """The tokenizer in a SentencePiece model file."""
        return cls(Path(path).read_bytes())

    def pieces(self) -> list[bytes]:
        """The UTF-8 text, or the byte, that each token stands for; special tokens have their name."""
        return [self._text(self._processor.id_to_piece(i)) for i in range(self.vocab_size)]

    @staticmethod
    def _text(piece: str) -> bytes:
        if byte := re.fullmatch(r"<0x([0-9A-F]{2})>", piece):
            return bytes.fromhex(byte[1])
        return piece.replace(SPACE_MARK, " ").encode("utf-8")

    @property
    def kind(self) -> Literal["bpe", "unigram"]:
        """Which of the two algorithms splits text into these pieces."""
        spec = _parsed(self._processor.serialized_model_proto()).trainer_spec
        return "bpe" if spec.model_type == spec.BPE else "unigram"

    def scored_pieces(self) -> list[tuple[str, float | None]]:
        """Each token's name in SentencePiece and its score; none for bytes and special tokens."""
        own = self._processor
        nameless = [own.is_byte(i) or own.is_control(i) or own.is_unknown(i) for i in range(self.vocab_size)]
        return [
            (own.id_to_piece(i), None if nameless[i] else own.get_score(i)) for i in range(self.vocab_size)
        ]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, without any special token."""
        if SPACE_MARK not in text:
            ids: list[int] = self._processor.encode(text)
            return ids
        first, *rest = text.split(SPACE_MARK)
        ids = self._processor.encode(first)
        for part in rest:
            ids += self._space_mark_ids + self._processor.encode(part)
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 become U+FFFD, special tokens nothing."""
        text: str = self._processor.decode([i for i in ids if i != self.eos_id])
        return text


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    model_type: Literal["bpe", "unigram"],
    character_coverage: float,
) -> bytes:
    """Train on `texts` and return the model file's bytes (no path, name or time in them).

    Raises:
        UserError: when the texts don't support `vocab_size` pieces.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=model_type,
            character_coverage=character_coverage,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            allow_whitespace_only_pieces=True,  # indentation as one token
            split_digits=True,
            max_sentence_length=1 << 30,  # the default drops lines over 4,192 bytes
            num_threads=1,  # more would be faster for unigram, and its sums then depend on their number
            unk_id=0,
            eos_id=1,
            eos_piece=EOS_PIECE,
            bos_id=-1,
            pad_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(_explain(str(error), vocab_size)) from None
    return _with_exact_sums(model.getvalue()) if model_type == "unigram" else model.getvalue()


def _with_exact_sums(model: bytes) -> bytes:
    """Scores rounded to multiples of 1/64 nats.

    SentencePiece adds scores in single precision, and rounding decides which of two equal readings wins (a
    dash of 16 and one of 8, or of 8 and 16), so it depends on all the text before. Sums of these multiples are
    exact up to 262,144 nats, some 40,000 tokens: every implementation of the algorithm finds the same reading.
    """
    parsed = _parsed(model)
    for piece in parsed.pieces:
        piece.score = round(piece.score * 64) / 64
    rounded: bytes = parsed.SerializeToString(deterministic=True)
    return rounded


def _parsed(model: bytes) -> Any:
    from sentencepiece import sentencepiece_model_pb2 as proto

    return proto.ModelProto.FromString(model)  # type: ignore[attr-defined]


def _explain(message: str, vocab_size: int) -> str:
    if found := re.search(r"Please set it to a value <= (\d+)", message):
        return (
            f"tokenize.vocab_size = {vocab_size} is more than the training text supports: "
            f"at most {found[1]} with this text. Lower it in params.yaml or collect more text."
        )
    if found := re.search(r"[Vv]ocabulary size is smaller than required_chars\. (\d+) vs (\d+)", message):
        return (
            f"tokenize.vocab_size = {vocab_size} is too small: the characters of the text alone need {found[2]}. "
            "Raise it in params.yaml, or lower tokenize.character_coverage."
        )
    return f"SentencePiece could not train on the text of the train split: {message}"
