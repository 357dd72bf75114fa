"""What holds for every preset: causal, the cache changes nothing, repeatable, compiled in place."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model, load_model, save_model
from gptmill.models.attention import document_ids
from gptmill.models.generate import generate
from gptmill.models.language_model import LanguageModel

SIZES = {"vocab_size": 97, "block_size": 24, "n_layer": 3, "n_head": 4, "n_embd": 32}
VARIANTS: dict[str, dict[str, Any]] = {
    "gpt1": {"preset": "gpt1"},
    "gpt2": {"preset": "gpt2"},
    "gpt3": {"preset": "gpt3", "window": 5},
    "modern": {"preset": "modern"},
    "modern with values": {"preset": "modern", "value_residual": True},
    "modern, all off": {
        "preset": "modern",
        "rope": False,
        "rms_norm": False,
        "embedding_norm": False,
        "qk_norm": False,
        "relu2": False,
        "bias": True,
        "tied_head": True,
        "zero_init": False,
        "logit_cap": 0.0,
    },
    "lstm": {"preset": "lstm"},
}
every = pytest.mark.parametrize("variant", VARIANTS)
decoders = pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "lstm"])


def make(variant: str, **changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    model = build_model(**(SIZES | VARIANTS[variant] | changes))
    for parameter in model.parameters():  # off their initial zeros and ones, so that each one counts
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 97, (3, 20), generator=torch.Generator().manual_seed(1))


@every
def test_no_token_sees_the_future(variant: str, tokens: Tensor) -> None:
    model = make(variant)
    changed = tokens.clone()
    changed[:, 10] = (changed[:, 10] + 1) % 97
    torch.testing.assert_close(model(tokens)[:, :10], model(changed)[:, :10], rtol=0, atol=1e-6)
    assert not torch.allclose(model(tokens)[:, 10:], model(changed)[:, 10:], atol=1e-3)


@every
def test_cache_gives_the_logits_of_the_whole(variant: str, tokens: Tensor) -> None:
    model = make(variant)
    cache = model.new_cache()
    cuts = [0, 7, 11, *range(12, 21)]  # a prompt, some more of it, then one by one
    parts = [model(tokens[:, a:b], cache) for a, b in pairwise(cuts)]
    assert cache.length == 20
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), rtol=1e-5, atol=1e-4)


@every
def test_loss_equals_cross_entropy_of_the_logits(variant: str, tokens: Tensor) -> None:
    model = make(variant)
    targets = tokens.roll(-1, 1)
    targets[0, 5:] = -100
    expected = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    expected.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], rtol=1e-4, atol=1e-5)


@every
def test_the_same_seed_gives_the_same_model_and_gradients(variant: str, tokens: Tensor) -> None:
    runs = []
    for _ in range(2):
        model = make(variant, dropout=0.2).train()
        torch.manual_seed(5)
        model.loss(tokens, tokens).backward()
        runs.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


@every
def test_saving_loading_and_generating(variant: str, tokens: Tensor, tmp_path: Path) -> None:
    model = make(variant).eval()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    save_model(model, tmp_path / "a")
    loaded = load_model(tmp_path / "a")
    assert loaded.config == model.config
    assert torch.equal(loaded(tokens), model(tokens))
    save_model(loaded, tmp_path / "b")
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()

    seen = [4, 9, 2]
    for token in generate(model, seen, max_new_tokens=10, temperature=0.0):
        assert token == int(model(torch.tensor([seen]))[0, -1].argmax())
        seen.append(token)
    assert len(generate(model, [1], max_new_tokens=40, seed=1)) == 40  # beyond block_size


@decoders
def test_documents_do_not_see_each_other(variant: str) -> None:
    model = make(variant)
    if hasattr(model, "position_embedding") and model.position_embedding is not None:
        # Learned positions count from the start of the row, wherever a document starts.
        with torch.no_grad():
            model.position_embedding.weight[:] = model.position_embedding.weight[0]
    tokens = torch.tensor([[5, 6, 7, 1, 8, 9, 1, 4], [1, 5, 5, 5, 5, 5, 1, 9]])
    documents = document_ids(tokens, eos_id=1)
    assert documents.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2], [1, 1, 1, 1, 1, 1, 2, 2]]
    logits = model(tokens, documents=documents)
    for row, start, stop in ((0, 0, 3), (0, 3, 6), (0, 6, 8), (1, 0, 6), (1, 6, 8)):
        alone = model(tokens[row : row + 1, start:stop])
        torch.testing.assert_close(logits[row : row + 1, start:stop], alone, rtol=1e-4, atol=1e-4)
    loss = model.loss(tokens, tokens, documents=documents)
    torch.testing.assert_close(loss, F.cross_entropy(logits.flatten(0, 1), tokens.flatten()))


@decoders
def test_more_tokens_than_it_reads_at_once(variant: str) -> None:
    model = make(variant).eval()
    tokens, cache = torch.zeros(1, 20, dtype=torch.long), model.new_cache()
    model(tokens, cache)
    for longer in (lambda: model(torch.zeros(1, 25, dtype=torch.long)), lambda: model(tokens[:, :5], cache)):
        with pytest.raises(UserError, match=r"25 tokens in a row are too many: .* block_size = 24 at once"):
            longer()


def test_an_lstm_can_not_keep_documents_apart(tokens: Tensor) -> None:
    with pytest.raises(UserError, match="lstm can't keep documents apart"):
        make("lstm").loss(tokens, tokens, documents=document_ids(tokens, 1))


@decoders
def test_activation_checkpointing_changes_no_bit(variant: str, tokens: Tensor) -> None:
    gradients = []
    for on in (False, True):
        model = make(variant, dropout=0.1).train()
        model.activation_checkpointing = on
        torch.manual_seed(5)
        model.loss(tokens, tokens).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler: g++ is missing")
@pytest.mark.parametrize("variant", ["gpt1", "gpt3", "modern with values", "lstm"])
def test_compiled_in_place(variant: str, tokens: Tensor) -> None:
    model = make(variant)
    names = list(model.state_dict())
    expected = model.loss(tokens, tokens)
    model.compile()
    loss = model.loss(tokens, tokens)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert list(model.state_dict()) == names


def test_settings_name_the_nearest() -> None:
    with pytest.raises(UserError, match='no model preset "gtp1"; did you mean "gpt1"'):
        build_model("gtp1", **SIZES)
    with pytest.raises(UserError, match='preset modern has no setting "qknorm"; did you mean "qk_norm"'):
        build_model("modern", **SIZES, qknorm=True)
    with pytest.raises(UserError, match='preset gpt2 has no setting "rope"'):
        build_model("gpt2", **SIZES, rope=True)
    with pytest.raises(UserError, match="n_embd = 32 is not divisible by n_head = 5"):
        build_model("gpt2", **(SIZES | {"n_head": 5}))
    with pytest.raises(UserError, match="a head's width must be even; it is n_embd / n_head = 1"):
        build_model("modern", **(SIZES | {"n_head": 32}))
    for setting in ({"n_layer": 0}, {"n_head": 0}, {"vocab_size": 0}, {"dropout": 2.0}, {"window": -3}):
        with pytest.raises(UserError, match=f"{next(iter(setting))} = .* is not possible"):
            build_model("gpt3", **(SIZES | setting))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no gptmill model: config\.json is missing"):
        load_model(tmp_path)
