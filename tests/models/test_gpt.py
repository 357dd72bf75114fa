"""GPT-1 to the letter: equal to transformers' OpenAI GPT with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model, load_model, save_model
from gptmill.models.gpt import GPT, KVCache

SIZES = {"vocab_size": 97, "block_size": 24, "n_layer": 3, "n_head": 4, "n_embd": 32}


def reference(model: GPT) -> torch.nn.Module:
    """transformers' model with the same weights; its Conv1D keeps matrices transposed."""
    transformers = pytest.importorskip("transformers")
    config = transformers.OpenAIGPTConfig(
        vocab_size=97,
        n_positions=24,
        n_layer=3,
        n_head=4,
        n_embd=32,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
    )
    theirs = transformers.OpenAIGPTLMHeadModel(config)
    ours = model.state_dict()
    state = {
        "transformer.tokens_embed.weight": ours["token_embedding.weight"],
        "transformer.positions_embed.weight": ours["position_embedding.weight"],
        "lm_head.weight": ours["token_embedding.weight"],
    }
    names = {
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.proj",
        "ln_1": "norm_1",
        "mlp.c_fc": "expand",
        "mlp.c_proj": "contract",
        "ln_2": "norm_2",
    }
    for layer in range(3):
        for their, our in names.items():
            weight = ours[f"blocks.{layer}.{our}.weight"]
            state[f"transformer.h.{layer}.{their}.weight"] = weight.T if weight.ndim == 2 else weight
            state[f"transformer.h.{layer}.{their}.bias"] = ours[f"blocks.{layer}.{our}.bias"]
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("bias" in name or "position_ids" in name for name in missing)  # buffers only
    return theirs.eval()


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    model = build_model("gpt1", **SIZES)
    for parameter in model.parameters():  # off their initial zeros and ones, so that each one counts
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 97, (3, 20), generator=torch.Generator().manual_seed(1))


def test_logits_and_gradients_equal_the_reference(model: GPT, tokens: Tensor) -> None:
    theirs = reference(model)
    ours, expected = model(tokens), theirs(tokens).logits
    assert ours.shape == (3, 20, 97)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)
    F.cross_entropy(ours[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
    theirs(tokens, labels=tokens).loss.backward()
    torch.testing.assert_close(
        model.blocks[0].attention.qkv.weight.grad,
        theirs.transformer.h[0].attn.c_attn.weight.grad.T,
        rtol=1e-4,
        atol=1e-6,
    )
    torch.testing.assert_close(
        model.token_embedding.weight.grad, theirs.transformer.tokens_embed.weight.grad, rtol=1e-4, atol=1e-5
    )


def test_the_papers_size() -> None:
    with torch.device("meta"):
        model = build_model("gpt1", vocab_size=40_478, block_size=512, n_layer=12, n_head=12, n_embd=768)
    assert sum(p.numel() for p in model.parameters()) == 116_534_784


def test_no_token_sees_the_future(model: GPT, tokens: Tensor) -> None:
    changed = tokens.clone()
    changed[:, 10] = (changed[:, 10] + 1) % 97
    assert torch.equal(model(tokens)[:, :10], model(changed)[:, :10])
    assert not torch.equal(model(tokens)[:, 10:], model(changed)[:, 10:])


def test_cache_gives_the_logits_of_the_whole(model: GPT, tokens: Tensor) -> None:
    whole = model(tokens)
    cache = KVCache(3)
    parts = [model(tokens[:, :7], cache)] + [model(tokens[:, i : i + 1], cache) for i in range(7, 20)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-4)


def test_saving_and_loading(tmp_path: Path, model: GPT, tokens: Tensor) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    save_model(model, tmp_path / "a")
    loaded = load_model(tmp_path / "a")
    assert not loaded.training
    assert torch.equal(loaded(tokens), model.eval()(tokens))
    save_model(loaded, tmp_path / "b")
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UserError, match='no model preset "gtp1"; did you mean "gpt1"'):
        build_model("gtp1", **SIZES)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no gptmill model: config\.json is missing"):
        load_model(tmp_path)
