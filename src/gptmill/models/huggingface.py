"""Weights to and from Hugging Face's layout (`config.json` and safetensors), without importing transformers.

| preset | transformers' class | note |
|---|---|---|
| gpt1 | OpenAIGPTLMHeadModel | |
| gpt2 | GPT2LMHeadModel | so an existing GPT-2 checkpoint can be the start of training |
| modern | NanoChatForCausalLM | with the switches at their defaults; `logit_cap` may differ |
| bert | BertForMaskedLM | [MASK] is the last token; see `models.huggingface_bert` |

There is none for gpt3 (GPT-Neo alternates dense and banded layers too, but has no biases on queries, keys and
values) and none for lstm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from gptmill.errors import UserError
from gptmill.models import build_model, huggingface_bert
from gptmill.models.config import ModelConfig, ModernConfig
from gptmill.models.files import Weights, check_weights, read_object, read_tensors
from gptmill.models.huggingface_fields import check_layers, require, size, sizes_of, take
from gptmill.models.language_model import LanguageModel
from gptmill.outs import write_json

# Ours: theirs. GPT-1 and GPT-2 have Conv1D layers, whose matrices are stored transposed.
BLOCK = {
    "attention.qkv": "attn.c_attn",
    "attention.proj": "attn.c_proj",
    "norm_1": "ln_1",
    "expand": "mlp.c_fc",
    "contract": "mlp.c_proj",
    "norm_2": "ln_2",
}
CLASSES = {
    "openai-gpt": ("gpt1", "OpenAIGPTLMHeadModel"),
    "gpt2": ("gpt2", "GPT2LMHeadModel"),
    "nanochat": ("modern", "NanoChatForCausalLM"),
    "bert": ("bert", "BertForMaskedLM"),
}


def export(model: LanguageModel, folder: str | Path, eos_id: int | None = None) -> None:
    """Write `model` so that transformers' `from_pretrained(folder)` reads it.

    Raises:
        UserError: for a model that transformers has no architecture for.
    """
    config, weights = _exporter(model.config)(model)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokens = {"bos_token_id": eos_id, "eos_token_id": eos_id, "pad_token_id": None}
    write_json(folder / "config.json", config | tokens | {"dtype": "float32"})
    if eos_id is not None:
        write_json(folder / "generation_config.json", tokens | {"pad_token_id": eos_id})
    weights = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))


def load(folder: str | Path) -> LanguageModel:
    """The model in a Hugging Face folder, on the CPU, in evaluation mode.

    Raises:
        UserError: when a file is missing, or the model is none of ours; the field that differs is named.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is no Hugging Face model: config.json is missing")
    theirs = read_object(folder / "config.json")
    kind = theirs.get("model_type")
    if kind not in CLASSES:
        raise UserError(f"{folder}/config.json: model_type is {kind!r}; allowed: {', '.join(CLASSES)}")
    weights = _read_weights(folder)
    config, state = IMPORTERS.get(kind, _import_gpt)(folder, theirs, weights)
    check_layers(folder, weights, config["n_layer"])
    with torch.device("meta"):
        model = build_model(**config)
    check_weights(folder, model, state)
    model = build_model(**config)
    model.load_state_dict({name: weight.float() for name, weight in state.items()})
    return model.eval()


def _read_weights(folder: Path) -> Weights:
    """All safetensors of a folder, in one file or several."""
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        places = read_object(index).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise UserError(f"{index}: weight_map, which says where each weight is, is missing or damaged")
        names = sorted(set(places.values()))
    weights: Weights = {}
    for name in names:
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: {name} is missing; weights are read from safetensors only, "
                "never from pickles such as pytorch_model.bin"
            )
        weights |= read_tensors(folder / name)
    return weights


def _exporter(config: ModelConfig) -> Callable[[LanguageModel], tuple[dict[str, Any], Weights]]:
    if config.preset in ("gpt1", "gpt2"):
        return _export_gpt
    if isinstance(config, ModernConfig):
        for field in fields(ModernConfig):
            value = getattr(config, field.name)
            if field.name in _SWITCHES and value != field.default:
                raise UserError(
                    f"transformers' NanoChat has no {field.name} = {value}; "
                    f"only a modern model with {field.name} = {field.default} can be exported"
                )
        return _export_nanochat
    if config.preset == "bert":
        return huggingface_bert.export_bert
    raise UserError(
        f"transformers has no architecture that equals preset {config.preset}; "
        "gpt1, gpt2 and modern can be exported"
    )


_SWITCHES = {field.name for field in fields(ModernConfig)} - {field.name for field in fields(ModelConfig)}
_SWITCHES -= {"logit_cap"}


def _export_gpt(model: LanguageModel) -> tuple[dict[str, Any], Weights]:
    config, ours = model.config, model.state_dict()
    first = config.preset == "gpt1"
    weights = {
        f"transformer.{'tokens_embed' if first else 'wte'}.weight": ours["token_embedding.weight"],
        f"transformer.{'positions_embed' if first else 'wpe'}.weight": ours["position_embedding.weight"],
    }
    for layer in range(config.n_layer):
        for our, their in BLOCK.items():
            weight = ours[f"blocks.{layer}.{our}.weight"]
            weights[f"transformer.h.{layer}.{their}.weight"] = weight.T if weight.ndim == 2 else weight
            weights[f"transformer.h.{layer}.{their}.bias"] = ours[f"blocks.{layer}.{our}.bias"]
    if not first:
        for kind in ("weight", "bias"):
            weights[f"transformer.ln_f.{kind}"] = ours[f"final_norm.{kind}"]
    sizes = {name: getattr(config, name) for name in ("vocab_size", "n_layer", "n_head", "n_embd")}
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), config.dropout)
    activation = {"afn": "gelu"} if first else {"activation_function": "gelu_new"}  # both are tanh-GELU
    head = {"n_positions": config.block_size, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
    kind = "openai-gpt" if first else "gpt2"
    return {
        "model_type": kind,
        "architectures": [CLASSES[kind][1]],
    } | sizes | dropout | activation | head, weights


def _import_gpt(folder: Path, theirs: dict[str, Any], weights: Weights) -> tuple[dict[str, Any], Weights]:
    preset = CLASSES[theirs["model_type"]][0]
    get_size = partial(size, folder, theirs)
    config = {name: get_size(name) for name in ("vocab_size", "n_layer", "n_head", "n_embd")}
    block_size, c = get_size("n_positions"), config["n_embd"]
    activation = ("afn", "gelu") if preset == "gpt1" else ("activation_function", "gelu_new")
    require(
        folder,
        theirs,
        {
            activation[0]: (activation[1], "gelu_pytorch_tanh"),
            "layer_norm_epsilon": (1e-5,),
            "n_inner": (None, 4 * c),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "add_cross_attention": (False,),
            "tie_word_embeddings": (True,),
        },
    )
    weights = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    names = ("tokens_embed", "positions_embed") if preset == "gpt1" else ("wte", "wpe")
    state = {}
    for our, their in zip(("token_embedding", "position_embedding"), names, strict=True):
        state[f"{our}.weight"] = take(folder, weights, f"{their}.weight")
    for layer in range(config["n_layer"]):
        for our, their in BLOCK.items():
            weight = take(folder, weights, f"h.{layer}.{their}.weight")
            state[f"blocks.{layer}.{our}.weight"] = weight.T if weight.ndim == 2 else weight
            state[f"blocks.{layer}.{our}.bias"] = take(folder, weights, f"h.{layer}.{their}.bias")
    if preset == "gpt2":
        for kind in ("weight", "bias"):
            state[f"final_norm.{kind}"] = take(folder, weights, f"ln_f.{kind}")
    dropout = theirs.get("resid_pdrop", 0.0)
    return {"preset": preset, "block_size": block_size, "dropout": dropout} | config, state


def _export_nanochat(model: LanguageModel) -> tuple[dict[str, Any], Weights]:
    config, ours = model.config, model.state_dict()
    weights = {
        "model.embed_tokens.weight": ours["token_embedding.weight"],
        "lm_head.weight": ours["head.weight"],
    }
    for layer in range(config.n_layer):
        block, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        for part, weight in zip("qkv", ours[f"{block}.attention.qkv.weight"].chunk(3), strict=True):
            weights[f"{theirs}.self_attn.{part}_proj.weight"] = weight
        weights[f"{theirs}.self_attn.o_proj.weight"] = ours[f"{block}.attention.proj.weight"]
        weights[f"{theirs}.mlp.fc1.weight"] = ours[f"{block}.expand.weight"]
        weights[f"{theirs}.mlp.fc2.weight"] = ours[f"{block}.contract.weight"]
    return {
        "model_type": "nanochat",
        "architectures": ["NanoChatForCausalLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.n_embd,
        "intermediate_size": 4 * config.n_embd,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.n_head,
        "max_position_embeddings": config.block_size,
        "hidden_act": "relu2",
        "attention_dropout": config.dropout,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "final_logit_softcapping": model.logit_cap or None,
        "attention_bias": False,
        "tie_word_embeddings": False,
    }, weights


def _import_nanochat(
    folder: Path, theirs: dict[str, Any], weights: Weights
) -> tuple[dict[str, Any], Weights]:
    sizes = sizes_of(folder, theirs)
    c = sizes["n_embd"]
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    require(
        folder,
        theirs,
        {
            "hidden_act": ("relu2",),
            "intermediate_size": (4 * c,),
            "num_key_value_heads": (sizes["n_head"],),
            "rms_norm_eps": (1e-6,),
            "rope_parameters": (rope, None),
            "attention_bias": (False,),
            "tie_word_embeddings": (False,),
        },
    )
    get = partial(take, folder, weights)
    state = {
        "token_embedding.weight": get("model.embed_tokens.weight"),
        "head.weight": get("lm_head.weight"),
    }
    for layer in range(sizes["n_layer"]):
        block, their = f"blocks.{layer}", f"model.layers.{layer}"
        parts = [get(f"{their}.self_attn.{part}_proj.weight") for part in "qkv"]
        state[f"{block}.attention.qkv.weight"] = torch.cat(parts)
        state[f"{block}.attention.proj.weight"] = get(f"{their}.self_attn.o_proj.weight")
        state[f"{block}.expand.weight"] = get(f"{their}.mlp.fc1.weight")
        state[f"{block}.contract.weight"] = get(f"{their}.mlp.fc2.weight")
    return {
        "preset": "modern",
        **sizes,
        "dropout": theirs.get("attention_dropout", 0.0),
        "logit_cap": theirs.get("final_logit_softcapping") or 0.0,
    }, state


IMPORTERS = {"nanochat": _import_nanochat, "bert": huggingface_bert.import_bert}
