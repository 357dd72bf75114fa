"""A new model that starts with the weights of another one: a folder of gptmill's or of Hugging Face's.

Tokens are carried over by what they stand for, since another tokenizer numbers them otherwise: a row of the
embedding goes to the token with the same text. A token that the folder's model doesn't know starts at the
mean of all its rows, which is the choice that least disturbs what it predicts (Hewitt 2021, "Initializing new
word embeddings for pretrained language models").
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model, load_model
from gptmill.models.config import ModelConfig
from gptmill.models.files import read_object
from gptmill.models.huggingface import load
from gptmill.models.language_model import LanguageModel
from gptmill.models.pieces import FILES, pieces_of


def start_from(folder: str | Path, config: ModelConfig, pieces: list[bytes] | None = None) -> LanguageModel:
    """A model of `config` with the weights of the model in `folder`.

    Where that one has a longer context, its first `block_size` positions are taken.

    Args:
        pieces: what each token of the new model stands for (`Tokenizer.pieces`). Without it, or when the
            folder has no tokenizer that can be compared, both must have equally many tokens, which are taken
            to be the same; stderr says so in the second case.

    Raises:
        UserError: when another field of the configuration differs, naming it with both values, or a file of
            the folder is damaged.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is no model: config.json is missing")
    source = load(folder) if "model_type" in read_object(folder / "config.json") else load_model(folder)
    theirs = pieces_of(folder) if pieces is not None else None
    if theirs is not None and len(theirs) > source.config.vocab_size:
        raise UserError(
            f"{folder}: the tokenizer has {len(theirs)} tokens, and the model {source.config.vocab_size}; "
            "one of the two is another model's"
        )
    _check(folder, asdict(source.config), asdict(config), same_tokens=theirs is None)
    model, rows = build_model(**asdict(config)), None
    if pieces is not None and theirs is not None:
        rows = _rows(pieces, theirs)
        known = int((rows >= 0).sum())
        print(
            f"{folder}: {known:,} of {len(pieces):,} tokens are known there; the others start at their mean"
        )
    elif pieces is not None:
        print(
            f"{folder} has no tokenizer whose tokens can be compared ({FILES}): its {len(pieces):,} tokens are "
            "taken to be the same as those of data/tokens. If they are others, the embeddings start wrong",
            file=sys.stderr,
        )
    _copy(source, model, rows)
    return model


def _check(folder: Path, found: dict[str, Any], wanted: dict[str, Any], same_tokens: bool) -> None:
    free = {"dropout", "block_size", "document_mask"} | (set() if same_tokens else {"vocab_size"})
    for name in [name for name in wanted if name not in free]:
        if name in found and found[name] == wanted[name]:
            continue
        sizes = ", ".join(f"{key}: {found[key]}" for key in ("preset", "n_layer", "n_head", "n_embd"))
        hint = (
            f"; the folder has no tokenizer ({FILES}) by which tokens could be told apart"
            if name == "vocab_size"
            else f"; set pretrain.model to the folder's: {sizes}"
        )
        raise UserError(f"{folder}: {name} is {found.get(name)}, and {wanted[name]} is asked for{hint}")
    if wanted["preset"] != "lstm" and found["block_size"] < wanted["block_size"]:
        raise UserError(
            f"{folder}: block_size is {found['block_size']}, and {wanted['block_size']} is asked for; "
            "lower pretrain.model.block_size"
        )


def _rows(ours: list[bytes], theirs: list[bytes]) -> Tensor:
    """For each of our tokens the number of theirs with the same text, or -1."""
    if ours == theirs:
        return torch.arange(len(ours))
    # Of a letter and the byte that stands in for it the letter comes later, and is the one in use.
    numbers = {piece: number for number, piece in enumerate(theirs)}
    return torch.tensor([numbers.get(piece, -1) for piece in ours])


@torch.no_grad()
def _copy(source: LanguageModel, target: LanguageModel, rows: Tensor | None) -> None:
    state = target.state_dict()
    for name, weight in source.state_dict().items():
        if rows is not None and name in ("token_embedding.weight", "head.weight", "head_bias"):
            # BERT's embedding has a last row for [MASK].
            places = F.pad(rows, (0, 1), value=len(weight) - 1)[: len(state[name])]
            known = (places >= 0).view(-1, *[1] * (weight.ndim - 1))
            state[name][:] = torch.where(known, weight[places], weight.mean(dim=0))
        else:
            state[name][:] = weight[: len(state[name])]
