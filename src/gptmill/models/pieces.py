"""What the tokens of a model's folder stand for, whichever tokenizer wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.models.files import read_object

SPACE_MARK = "\u2581"  # how SentencePiece writes a space
FILES = "tokenizer.model, tokenizer.json or GPT-2's vocab.json"


def pieces_of(folder: Path) -> list[bytes] | None:
    """The UTF-8 text, or the byte, that each token stands for; special tokens have their name.

    None where there is no tokenizer, or one whose tokens can't be equal to ours: WordPiece drops spaces, and
    GPT-1's marks where words end, and ours where they start.

    Raises:
        UserError: for a file that is damaged.
    """
    if (path := folder / "tokenizer.model").is_file():
        read: Callable[[Path], list[bytes] | None] = _of_sentencepiece
    elif (path := folder / "tokenizer.json").is_file():
        read = _of_tokenizers
    elif (path := folder / "vocab.json").is_file() and _kind(folder) == "gpt2":
        read = _of_gpt2
    else:
        return None
    try:
        return read(path)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged: no tokens can be read from it ({error!r}). Copy it anew"
        ) from None


def _kind(folder: Path) -> Any:
    return read_object(folder / "config.json").get("model_type")


def _of_sentencepiece(path: Path) -> list[bytes]:
    from gptmill.tokens.tokenizer import Tokenizer

    return Tokenizer.load(path).pieces()


def _of_gpt2(path: Path) -> list[bytes]:
    numbers = read_object(path)
    return _in_order(numbers, {name: _of_letters(name) for name in numbers})


def _of_tokenizers(path: Path) -> list[bytes] | None:
    """The vocabulary of Hugging Face's `tokenizers`: BPE over GPT-2's letters or over characters, or Unigram."""
    content = read_object(path)
    model = content["model"]
    if model["type"] not in ("BPE", "Unigram"):
        return None
    if model.get("end_of_word_suffix") or model.get("continuing_subword_prefix"):
        return None
    vocabulary = model["vocab"]
    if model["type"] == "Unigram":  # pairs of a piece and its score
        vocabulary = {name: number for number, (name, _) in enumerate(vocabulary)}
    in_letters = '"ByteLevel"' in json.dumps([content.get("pre_tokenizer"), content.get("decoder")])
    text = _of_letters if in_letters else _of_characters
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    texts = {name: text(name) for name in vocabulary} | {name: name.encode() for name in added}
    return _in_order(vocabulary | added, texts)


def _in_order(numbers: dict[str, int], texts: dict[str, bytes]) -> list[bytes]:
    """Texts by number; a number without a token has an empty one, which is none of ours."""
    pieces = [b""] * (max(numbers.values()) + 1)
    for name, number in numbers.items():
        pieces[number] = texts[name]
    return pieces


def _of_characters(piece: str) -> bytes:
    if byte := re.fullmatch(r"<0x([0-9A-F]{2})>", piece):
        return bytes.fromhex(byte[1])
    return piece.replace(SPACE_MARK, " ").encode()


def _bytes_of_letters() -> dict[str, bytes]:
    """The byte that each letter of GPT-2's vocabulary stands for (openai/gpt-2, encoder.py).

    Printable Latin-1 stands for itself; the other bytes have the letters from U+0100 on, in their order.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): bytes([byte]) for byte in plain}
    return letters | {chr(256 + place): bytes([byte]) for place, byte in enumerate(others)}


LETTERS = _bytes_of_letters()


def _of_letters(piece: str) -> bytes:
    return b"".join(LETTERS.get(letter, letter.encode()) for letter in piece)
