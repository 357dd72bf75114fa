"""gpt1, gpt2 and modern equal transformers' models: logits, gradients, weights there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.models.huggingface import export, load
from gptmill.models.language_model import LanguageModel
from gptmill.outs import read_json, write_json

SIZES = {"vocab_size": 97, "block_size": 24, "n_layer": 3, "n_head": 4, "n_embd": 32}
# Ours and transformers' name of the first layer's first matrix and of the embedding.
GRADIENTS = {
    "gpt1": ("transformer.h.0.mlp.c_fc.weight", "transformer.tokens_embed.weight"),
    "gpt2": ("transformer.h.0.mlp.c_fc.weight", "transformer.wte.weight"),
    "modern": ("model.layers.0.mlp.fc1.weight", "model.embed_tokens.weight"),
}
exportable = pytest.mark.parametrize("preset", GRADIENTS)


def make(preset: str, **switches: Any) -> LanguageModel:
    torch.manual_seed(0)
    model = build_model(preset, **SIZES, **switches)
    for parameter in model.parameters():  # off their initial zeros and ones, so that each one counts
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 97, (3, 20), generator=torch.Generator().manual_seed(1))


@exportable
def test_logits_and_gradients_equal_transformers(preset: str, tokens: Tensor, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = make(preset)
    export(model, tmp_path, eos_id=1)
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours, expected = model(tokens), theirs(tokens).logits
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)
    F.cross_entropy(expected.flatten(0, 1), tokens.flatten()).backward()
    model.loss(tokens, tokens).backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    matrix, embedding = GRADIENTS[preset]
    expand = gradients[matrix] if preset == "modern" else gradients[matrix].T
    torch.testing.assert_close(model.blocks[0].expand.weight.grad, expand, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.token_embedding.weight.grad, gradients[embedding], rtol=1e-4, atol=1e-5)


@exportable
def test_there_and_back(preset: str, tokens: Tensor, tmp_path: Path) -> None:
    model = make(preset)
    export(model, tmp_path)
    back = load(tmp_path)
    assert back.config == model.config
    assert torch.equal(back(tokens), model(tokens))


def test_a_folder_written_by_transformers(tokens: Tensor, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=97, n_positions=24, n_embd=32, n_layer=2, n_head=4)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-5, atol=1e-5)
    # The file on the hub has no prefix, and buffers with the causal mask.
    from safetensors.torch import load_file, save_file

    weights = {
        name.removeprefix("transformer."): w for name, w in load_file(tmp_path / "model.safetensors").items()
    }
    save_file(weights | {"h.0.attn.bias": torch.ones(24, 24)}, tmp_path / "model.safetensors")
    assert torch.equal(load(tmp_path)(tokens), ours(tokens))


def test_the_papers_sizes() -> None:
    sizes = {"n_layer": 12, "n_head": 12, "n_embd": 768}
    with torch.device("meta"):
        first = build_model("gpt1", vocab_size=40_478, block_size=512, **sizes)
        second = build_model("gpt2", vocab_size=50_257, block_size=1024, **sizes)
    assert sum(p.numel() for p in first.parameters()) == 116_534_784
    assert sum(p.numel() for p in second.parameters()) == 124_439_808


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "llama", "model_type is 'llama'; allowed: openai-gpt, gpt2, nanochat"),
        ("activation_function", "relu", "activation_function is 'relu', and gptmill's model has 'gelu_new'"),
        ("n_inner", 100, "n_inner is 100"),
        ("n_layer", 4, r"the weights have no h\.3\.attn\.c_attn\.weight"),
        ("n_positions", 25, r"position_embedding\.weight has the shape \(24, 32\), .* asks for \(25, 32\)"),
    ],
)
def test_what_does_not_fit_is_named(field: str, value: Any, message: str, tmp_path: Path) -> None:
    export(make("gpt2"), tmp_path)
    write_json(tmp_path / "config.json", read_json(tmp_path / "config.json") | {field: value})
    with pytest.raises(UserError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("preset", [*GRADIENTS, "bert"])
def test_layers_that_the_config_does_not_know_are_not_lost(preset: str, tmp_path: Path) -> None:
    export(make(preset), tmp_path)
    config = read_json(tmp_path / "config.json")
    name = next(name for name in ("n_layer", "num_hidden_layers") if name in config)
    write_json(tmp_path / "config.json", config | {name: 2})
    with pytest.raises(UserError, match=r"of a layer 3, and config\.json says that there are 2"):
        load(tmp_path)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    export(make("gpt2"), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"model\.safetensors is missing; .* never from pickles"):
        load(tmp_path)


def test_what_transformers_has_no_architecture_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no architecture that equals preset gpt3"):
        export(make("gpt3"), tmp_path)
    with pytest.raises(UserError, match="NanoChat has no qk_norm = False"):
        export(make("modern", qk_norm=False), tmp_path)
