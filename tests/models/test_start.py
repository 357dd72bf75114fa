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
from gptmill.models.pieces import pieces_of
from gptmill.models.start import start_from
from gptmill.outs import read_json, write_json
from gptmill.tokens.huggingface import export_tokenizer
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


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_an_exported_folder_has_its_tokens_in_tokenizer_json(kind: Any, tmp_path: Path) -> None:
    theirs, ours = (
        Tokenizer(train_tokenizer(text, 284, kind, 1.0))
        for text in (TEXT, TEXT[::-1] + ["zwei drei vier"] * 99)
    )
    source = make("gpt2", vocab_size=284)
    export(source, tmp_path, theirs.eos_id)
    export_tokenizer(theirs, tmp_path, 24)
    assert pieces_of(tmp_path) == theirs.pieces() != ours.pieces()
    model = start_from(tmp_path, make_config("gpt2", **(SIZES | {"vocab_size": 284})), ours.pieces())
    before, after = source.token_embedding.weight, model.token_embedding.weight
    there = {piece: number for number, piece in enumerate(theirs.pieces())}
    for number, piece in enumerate(ours.pieces()):
        expected = before[there[piece]] if piece in there else before.mean(dim=0)
        assert torch.equal(after[number], expected), piece


def test_a_byte_level_tokenizer_json(tmp_path: Path) -> None:
    content = {
        "added_tokens": [{"id": 3, "content": "<|endoftext|>"}],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]},
        "model": {"type": "BPE", "vocab": {"Ġa": 1, "a": 0}},
    }
    write_json(tmp_path / "tokenizer.json", content)
    assert pieces_of(tmp_path) == [b"a", b" a", b"", b"<|endoftext|>"]
    write_json(tmp_path / "tokenizer.json", {"model": {"type": "WordPiece", "vocab": {"a": 0}}})
    assert pieces_of(tmp_path) is None
    write_json(tmp_path / "tokenizer.json", {"model": {"type": "BPE", "vocab": {"a": "0"}}})
    with pytest.raises(UserError, match=r"tokenizer\.json is damaged"):
        pieces_of(tmp_path)


def test_without_a_tokenizer_equal_sizes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(make("gpt2", vocab_size=300), tmp_path)
    pieces = Tokenizer(train_tokenizer(TEXT, 300, "bpe", 1.0)).pieces()
    start_from(tmp_path, make_config("gpt2", **(SIZES | {"vocab_size": 300})), pieces)
    assert "has no tokenizer whose tokens can be compared" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", b"", r"model\.safetensors is damaged: it is no whole safetensors file"),
        ("config.json", b"{", r"config\.json is damaged: it is no JSON"),
        ("config.json", b"[]", r"config\.json: expected a mapping"),
        ("config.json", b"{}", r"config\.json: preset is missing"),
        ("config.json", b'{"preset": "gpt2"}', r"config\.json: preset gpt2 also needs vocab_size"),
        (
            "config.json",
            ("n_layer", 2),
            r"the weights have blocks\.2\.\S+, which config\.json has no place for",
        ),
        ("config.json", ("n_layer", 4), r"the weights have no blocks\.3\.\S+"),
        ("config.json", ("n_embd", 64), r"token_embedding\.weight has the shape \(97, 32\), .* \(97, 64\)"),
    ],
)
def test_damaged_folders_are_named(file: str, content: Any, message: str, tmp_path: Path) -> None:
    save_model(make("gpt2"), tmp_path)
    if isinstance(content, tuple):
        write_json(tmp_path / file, read_json(tmp_path / file) | dict([content]))
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        start_from(tmp_path, make_config("gpt2", **SIZES))


@pytest.mark.parametrize("field", ["n_layer", "n_positions", "n_embd"])
def test_a_size_missing_in_their_config_is_named(field: str, tmp_path: Path) -> None:
    export(make("gpt2"), tmp_path)
    config = read_json(tmp_path / "config.json")
    del config[field]
    write_json(tmp_path / "config.json", config)
    with pytest.raises(UserError, match=rf"config\.json: {field} is missing"):
        start_from(tmp_path, make_config("gpt2", **SIZES))
