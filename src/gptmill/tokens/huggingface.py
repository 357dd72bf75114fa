"""Our tokenizer as a `tokenizer.json` of Hugging Face's `tokenizers`: the same ids for the same text.

SentencePiece writes a space as U+2581; here pieces hold the space itself, so nothing in a text needs to be
replaced, and a U+2581 in it becomes its three bytes as with us. What else differs between the libraries:

- **BPE.** SentencePiece joins the two neighbours that make the piece with the best score, however it was
  learned. `tokenizers` wants pairs in order: all pairs of pieces that make a piece, best piece first.
- **Unigram.** `tokenizers` finds tokens by their name, so `<0x41>` in a text would be the byte. Bytes and
  special tokens get a score so low that their characters are the better reading; where the vocabulary lacks
  one of those characters, text is cut around it, which is where every reading is cut anyway.
- **Special tokens** in a text are text (`split_special_tokens`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gptmill.outs import write_json
from gptmill.tokens.tokenizer import EOS_PIECE, SPACE_MARK, Tokenizer

UNLIKELY = -1e4  # nats; six characters, each the rarest there is, have less than a hundredth of it


def export_tokenizer(tokenizer: Tokenizer, folder: str | Path, block_size: int) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, which transformers' `AutoTokenizer` reads."""
    write_json(Path(folder) / "tokenizer.json", convert(tokenizer))
    write_json(
        Path(folder) / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": block_size,
            "model_input_names": ["input_ids", "attention_mask"],
            "bos_token": EOS_PIECE,
            "eos_token": EOS_PIECE,
            "pad_token": EOS_PIECE,
            "split_special_tokens": True,
            "clean_up_tokenization_spaces": False,
        },
    )


def convert(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of `tokenizer.json`."""
    pieces = tokenizer.scored_pieces()
    names = [piece.replace(SPACE_MARK, " ") for piece, _ in pieces]
    scores = {name: score for name, (_, score) in zip(names, pieces, strict=True) if score is not None}
    vocabulary = {name: number for number, name in enumerate(names)}
    model: dict[str, Any]
    cuts = ""
    if tokenizer.kind == "bpe":
        model = {
            "type": "BPE",
            "vocab": vocabulary,
            "merges": merges(scores),
            "unk_token": names[0],
            "byte_fallback": True,
        }
    else:
        model = {
            "type": "Unigram",
            "vocab": [[name, scores.get(name, UNLIKELY)] for name in names],
            "unk_id": 0,
            "byte_fallback": True,
        }
        cuts = "".join(sorted({c for name in names if name not in scores for c in name if c not in scores}))
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": tokenizer.eos_id, "content": EOS_PIECE} | special],
        "normalizer": None,
        "pre_tokenizer": _cut_around(cuts) if cuts else None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": model,
    }


def _cut_around(letters: str) -> dict[str, Any]:
    """Each of these characters, all of them ASCII, on its own."""
    escaped = "".join(rf"\x{ord(letter):02x}" for letter in letters)
    pattern = {"Regex": f"[{escaped}]"}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """All pairs of pieces that make a piece, in the order in which SentencePiece joins them.

    Two pairs that make the same piece are equal to SentencePiece, which takes the one further left in the
    text. They compete only where they overlap, as in `a|b|a` for the piece `aba` made of `a` and `b`.
    """
    pairs = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                pairs.append((-score, -cut, left, right))
    return [(left, right) for _, _, left, right in sorted(pairs)]
