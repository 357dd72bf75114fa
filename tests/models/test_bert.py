"""BERT: equal to transformers' BertForMaskedLM, sees both sides, and nothing of padding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model, load_model, save_model
from gptmill.models.bert import BERT
from gptmill.models.config import make_config
from gptmill.models.generate import generate
from gptmill.models.huggingface import export, load
from gptmill.models.start import start_from
from gptmill.outs import read_json, write_json

SIZES = {"vocab_size": 97, "block_size": 24, "n_layer": 3, "n_head": 4, "n_embd": 32}


def make(**changes: float) -> BERT:
    torch.manual_seed(0)
    model = build_model("bert", **(SIZES | changes))
    for parameter in model.parameters():  # off their initial zeros and ones, so that each one counts
        torch.nn.init.normal_(parameter, std=0.3)
    assert isinstance(model, BERT)
    return model.eval()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 98, (3, 20), generator=torch.Generator().manual_seed(1))  # [MASK] is 97


@pytest.fixture
def targets(tokens: Tensor) -> Tensor:
    targets = torch.full_like(tokens, -100)
    targets[:, 3::5] = tokens[:, 3::5] % 97
    return targets


def test_logits_and_gradients_equal_transformers(tokens: Tensor, targets: Tensor, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = make()
    export(model, tmp_path)
    theirs, info = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(theirs).__name__ == "BertForMaskedLM"
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    theirs.eval()
    expected = theirs(tokens).logits
    torch.testing.assert_close(model(tokens), expected[..., :97], rtol=1e-5, atol=1e-5)
    assert (expected[..., 97] < -9000).all()  # [MASK] is never predicted there either

    types = (torch.arange(20) >= 9).long().expand(3, -1)
    padding = torch.arange(20) >= torch.tensor([[20], [15], [3]])
    ours = model.logits(model.hidden(tokens, documents=padding, types=types))
    other = theirs(tokens, token_type_ids=types, attention_mask=(~padding).long()).logits[..., :97]
    torch.testing.assert_close(ours[~padding], other[~padding], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(ours[~padding], expected[..., :97][~padding], atol=1e-2)

    theirs(tokens, labels=targets).loss.backward()
    model.loss(tokens, targets).backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for our, their in (
        ("token_embedding.weight", "bert.embeddings.word_embeddings.weight"),
        ("blocks.0.expand.weight", "bert.encoder.layer.0.intermediate.dense.weight"),
        ("type_embedding.weight", "bert.embeddings.token_type_embeddings.weight"),
    ):
        torch.testing.assert_close(
            model.get_parameter(our).grad, gradients[their], rtol=1e-4, atol=1e-5, msg=our
        )
    torch.testing.assert_close(model.head_bias.grad, gradients["cls.predictions.bias"][:97])


def test_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = build_model("bert", vocab_size=30_521, block_size=512, n_layer=12, n_head=12, n_embd=768)
    # bert-base-uncased's BertForMaskedLM has 109,514,298; one of them is the bias of [MASK].
    assert sum(p.numel() for p in model.parameters()) == 109_514_297


def test_sees_both_sides(tokens: Tensor) -> None:
    model = make()
    changed = tokens.clone()
    changed[:, 10] = (changed[:, 10] + 1) % 97
    moved = (model(tokens) - model(changed)).abs().amax(dim=2)
    assert (moved > 1e-4).all()


def test_the_loss_is_of_the_targets_alone(tokens: Tensor, targets: Tensor) -> None:
    model = make()
    expected = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), reduction="none")
    none = model.loss(tokens, targets, reduction="none")
    torch.testing.assert_close(none.flatten(), expected, rtol=1e-5, atol=1e-5)
    counted = (targets >= 0).sum()
    torch.testing.assert_close(model.loss(tokens, targets, reduction="sum"), expected.sum())
    torch.testing.assert_close(model.loss(tokens, targets), expected.sum() / counted)


def test_texts_apart_are_as_texts_alone() -> None:
    model = make()
    tokens = torch.tensor([[5, 6, 7, 1, 8, 9, 1, 4]])
    together = model(tokens, documents=torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]]))
    torch.testing.assert_close(together[:, :4], model(tokens[:, :4]), rtol=1e-4, atol=1e-4)


def test_there_and_back(tokens: Tensor, tmp_path: Path) -> None:
    model = make()
    save_model(model, tmp_path)
    assert torch.equal(load_model(tmp_path)(tokens), model(tokens))
    export(model, tmp_path / "hf")
    back = load(tmp_path / "hf")
    assert back.config == model.config
    assert torch.equal(back(tokens), model(tokens))
    write_json(tmp_path / "hf/config.json", read_json(tmp_path / "hf/config.json") | {"mask_token_id": 4})
    with pytest.raises(UserError, match=r"mask_token_id is 4, .* \[MASK\] as its last token, 97"):
        load(tmp_path / "hf")


def test_starts_from_a_model_with_other_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(vocab_size=4)
    save_model(source, tmp_path)
    monkeypatch.setattr("gptmill.models.start.pieces_of", lambda _folder: [b"a", b"b", b"c", b"d"])
    config = make_config("bert", **(SIZES | {"vocab_size": 3}))
    model = start_from(tmp_path, config, [b"c", b"x", b"a"])
    theirs = source.token_embedding.weight
    expected = torch.stack((theirs[2], theirs.mean(dim=0), theirs[0], theirs[4]))  # the last is [MASK]
    assert torch.equal(model.token_embedding.weight, expected)
    assert torch.equal(model.head_bias[[0, 2]], source.head_bias[[2, 0]])


def test_dropout_checkpointing_and_repeats(tokens: Tensor, targets: Tensor) -> None:
    gradients = []
    for on in (False, True):
        model = make(dropout=0.1).train()
        model.activation_checkpointing = on
        torch.manual_seed(5)
        model.loss(tokens, targets).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler: g++ is missing")
def test_compiled_in_place(tokens: Tensor, targets: Tensor) -> None:
    model = make()
    names = list(model.state_dict())
    expected = model.loss(tokens, targets)
    model.compile()
    loss = model.loss(tokens, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert list(model.state_dict()) == names


def test_has_no_next_token(tokens: Tensor) -> None:
    model = make()
    for ask in (lambda: generate(model, [1], max_new_tokens=2), lambda: model(tokens, cache=object())):
        with pytest.raises(UserError, match="preset bert can't continue text"):
            ask()
