"""A model that starts from another's folder: weights by name, tokens by what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gptmill.errors import UserError
from gptmill.models import build_model, save_model
from gptmill.models.config import make_config
from gptmill.models.huggingface import export
from gptmill.models.language_model import LanguageModel
from gptmill.models.start import start_from
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

SIZES = {"vocab_size": 97, "block_size": 24, "n_layer": 3, "n_head": 4, "n_embd": 32}
TEXT = ["the array is a view of the data", "return the sum of the array elements", "naïve señor — 12 §"] * 20


def make(preset: str, **changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    return build_model(preset, **(SIZES | changes)).eval()


def test_weights_of_both_kinds_of_folder(tmp_path: Path) -> None:
    tokens = torch.randint(0, 97, (3, 20))
    model = make("gpt2")
    export(model, tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    save_model(model, tmp_path / "ours")
    config = make_config("gpt2", **(SIZES | {"block_size": 20, "dropout": 0.1}))
    for folder in ("theirs", "ours"):
        started = start_from(tmp_path / folder, config).eval()
        assert started.config == config
        assert torch.equal(started(tokens), model(tokens))


def test_rows_of_a_gpt2_vocabulary_go_to_the_tokens_with_their_text(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="a GPT-2 tokenizer is trained with tokenizers")
    theirs = tokenizers.ByteLevelBPETokenizer()
    theirs.train_from_iterator(TEXT, vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False)
    source = make("gpt2", vocab_size=theirs.get_vocab_size())
    export(source, tmp_path)
    theirs.save_model(str(tmp_path))

    ours = Tokenizer(train_tokenizer(TEXT, 320, "bpe", 1.0))
    pieces = ours.pieces()
    assert b"".join(pieces[i] for i in ours.encode(TEXT[2])) == TEXT[2].encode()
    model = start_from(tmp_path, make_config("gpt2", **(SIZES | {"vocab_size": ours.vocab_size})), pieces)
    before, after = source.token_embedding.weight, model.token_embedding.weight
    known = 0
    for i, piece in enumerate(pieces):
        if i == ours.eos_id:
            assert torch.equal(after[i], before[theirs.token_to_id("<|endoftext|>")])
            continue
        try:
            ids = theirs.encode(piece.decode()).ids
        except UnicodeDecodeError:  # a byte that is no text
            continue
        if len(ids) == 1:
            known += 1
            assert torch.equal(after[i], before[ids[0]]), piece
    assert known > 100
    assert torch.equal(after[pieces.index(b"<unk>")], before.mean(dim=0))
    assert torch.equal(model.blocks[2].expand.weight, source.blocks[2].expand.weight)


def test_a_model_of_ours_with_its_tokenizer(tmp_path: Path) -> None:
    small = train_tokenizer(TEXT, 300, "bpe", 1.0)
    source = make("modern", vocab_size=300)
    torch.nn.init.normal_(source.head.weight)  # type: ignore[union-attr]
    save_model(source, tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(small)
    config = make_config("modern", **(SIZES | {"vocab_size": 300}))
    same = start_from(tmp_path, config, Tokenizer(small).pieces())
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("gpt2", {"vocab_size": 98}, "vocab_size is 97, and 98 is asked for; the folder has no tokenizer"),
        ("gpt2", {"n_layer": 4}, "n_layer is 3, and 4 is asked for; set pretrain.model to .* n_layer: 3"),
        ("gpt1", {}, "preset is gpt2, and gpt1 is asked for"),
        ("gpt2", {"block_size": 48}, "block_size is 24, and 48 is asked for"),
    ],
)
def test_another_architecture_is_named(
    preset: str, change: dict[str, int], message: str, tmp_path: Path
) -> None:
    export(make("gpt2"), tmp_path)
    with pytest.raises(UserError, match=message):
        start_from(tmp_path, make_config(preset, **(SIZES | change)))
    with pytest.raises(UserError, match=r"is no model: config\.json is missing"):
        start_from(tmp_path / "nowhere", make_config(preset, **SIZES))
