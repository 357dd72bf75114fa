"""The preset bert to and from transformers' BertForMaskedLM.

There [MASK] is a token like any other; here it is the one after the vocabulary, so theirs has one token more. Its
score, which ours doesn't have, is kept out of the way by its bias. The key `mask_token_id`, which transformers
leaves alone, says where it is: the models published have it elsewhere, and their tokenizers are not ours.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models.files import Weights
from gptmill.models.huggingface_fields import require, sizes_of, take
from gptmill.models.language_model import LanguageModel

# Ours: theirs.
ENDS = {
    "token_embedding.weight": "bert.embeddings.word_embeddings.weight",
    "position_embedding.weight": "bert.embeddings.position_embeddings.weight",
    "type_embedding.weight": "bert.embeddings.token_type_embeddings.weight",
    "embedding_norm.weight": "bert.embeddings.LayerNorm.weight",
    "embedding_norm.bias": "bert.embeddings.LayerNorm.bias",
    "transform.weight": "cls.predictions.transform.dense.weight",
    "transform.bias": "cls.predictions.transform.dense.bias",
    "transform_norm.weight": "cls.predictions.transform.LayerNorm.weight",
    "transform_norm.bias": "cls.predictions.transform.LayerNorm.bias",
}
LAYER = {
    "attention.proj": "attention.output.dense",
    "norm_1": "attention.output.LayerNorm",
    "expand": "intermediate.dense",
    "contract": "output.dense",
    "norm_2": "output.LayerNorm",
}
QKV = ("attention.self.query", "attention.self.key", "attention.self.value")
NEVER = -1e4  # the bias of a token that is not to be predicted


def export_bert(model: LanguageModel) -> tuple[dict[str, Any], Weights]:
    """config.json and weights, in transformers' names."""
    config, ours = model.config, model.state_dict()
    weights = {their: ours[our] for our, their in ENDS.items()}
    bias = ours["head_bias"]
    weights["cls.predictions.bias"] = torch.cat((bias, bias.new_tensor([NEVER])))
    for layer in range(config.n_layer):
        block, theirs = f"blocks.{layer}", f"bert.encoder.layer.{layer}"
        for kind in ("weight", "bias"):
            parts = ours[f"{block}.attention.qkv.{kind}"].chunk(3)
            weights |= {f"{theirs}.{name}.{kind}": part for name, part in zip(QKV, parts, strict=True)}
            weights |= {
                f"{theirs}.{their}.{kind}": ours[f"{block}.{our}.{kind}"] for our, their in LAYER.items()
            }
    return {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": config.vocab_size + 1,
        "mask_token_id": config.vocab_size,
        "hidden_size": config.n_embd,
        "intermediate_size": 4 * config.n_embd,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "max_position_embeddings": config.block_size,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "layer_norm_eps": 1e-12,
        "tie_word_embeddings": True,
    }, weights


def import_bert(folder: Path, theirs: dict[str, Any], weights: Weights) -> tuple[dict[str, Any], Weights]:
    """The arguments of `build_model`, and the weights in our names.

    Raises:
        UserError: when a field differs, a weight is missing, or [MASK] is not the last token.
    """
    sizes = sizes_of(folder, theirs)
    c, vocab_size = sizes["n_embd"], sizes["vocab_size"] - 1
    if (found := theirs.get("mask_token_id")) != vocab_size:
        raise UserError(
            f"{folder}/config.json: mask_token_id is {found!r}, and gptmill's bert has [MASK] as its last token, "
            f"{vocab_size}; models that gptmill wrote can be read"
        )
    require(
        folder,
        theirs,
        {
            "hidden_act": ("gelu",),
            "intermediate_size": (4 * c,),
            "type_vocab_size": (2,),
            "layer_norm_eps": (1e-12,),
            "tie_word_embeddings": (True,),
            "position_embedding_type": ("absolute",),
        },
    )
    get = partial(take, folder, weights)
    state: dict[str, Tensor] = {our: get(their) for our, their in ENDS.items()}
    state["head_bias"] = get("cls.predictions.bias")[:vocab_size]
    for layer in range(sizes["n_layer"]):
        block, their_layer = f"blocks.{layer}", f"bert.encoder.layer.{layer}"
        for kind in ("weight", "bias"):
            qkv = [get(f"{their_layer}.{name}.{kind}") for name in QKV]
            state[f"{block}.attention.qkv.{kind}"] = torch.cat(qkv)
            for our, their in LAYER.items():
                state[f"{block}.{our}.{kind}"] = get(f"{their_layer}.{their}.{kind}")
    dropout = theirs.get("hidden_dropout_prob", 0.0)
    return {"preset": "bert", **sizes, "vocab_size": vocab_size, "dropout": dropout}, state
