"""Reading another project's weights and configuration: what is missing or differs is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from gptmill.errors import UserError
from gptmill.models.files import Weights

# What most architectures call the sizes; GPT-1 and GPT-2 have names of their own.
_LAYER = re.compile(r"(?:^|\.)(?:h|layers?)\.(\d+)\.")
SIZES = {
    "vocab_size": "vocab_size",
    "block_size": "max_position_embeddings",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_embd": "hidden_size",
}


def take(folder: Path, weights: Weights, name: str) -> Tensor:
    """One of `weights`, or a `UserError`."""
    if name not in weights:
        raise UserError(f"{folder}: the weights have no {name}, which config.json asks for")
    return weights[name]


def check_layers(folder: Path, weights: Weights, n_layer: int) -> None:
    """Raises UserError: when there are weights of layers beyond `n_layer`, which would be lost."""
    for name in weights:
        layer = _LAYER.search(name)
        if layer and int(layer[1]) >= n_layer:
            raise UserError(
                f"{folder}: the weights have {name}, of a layer {int(layer[1]) + 1}, and config.json says that there "
                f"are {n_layer}; one of the two is another model's"
            )


def size(folder: Path, theirs: dict[str, Any], name: str) -> int:
    """A field that holds a whole number, 1 or more, or a `UserError`."""
    found = theirs.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        what = f"{name} is {found!r}" if name in theirs else f"{name} is missing"
        raise UserError(f"{folder}/config.json: {what}; it must be a whole number, 1 or more")
    return found


def sizes_of(folder: Path, theirs: dict[str, Any]) -> dict[str, int]:
    """The sizes by our names, or a `UserError`."""
    return {ours: size(folder, theirs, name) for ours, name in SIZES.items()}


def require(folder: Path, theirs: dict[str, Any], allowed: dict[str, tuple[Any, ...]]) -> None:
    """Fields that are absent have the default, which is the first value allowed.

    Raises:
        UserError: for a field with another value.
    """
    for name, values in allowed.items():
        if name in theirs and theirs[name] not in values:
            raise UserError(
                f"{folder}/config.json: {name} is {theirs[name]!r}, and gptmill's model has {values[0]!r}"
            )
