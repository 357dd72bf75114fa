"""The files of a model's folder, read with a word on what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gptmill.errors import UserError
from gptmill.outs import read_json

Weights = dict[str, Tensor]


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds a mapping.

    Raises:
        UserError: naming the file, when it holds anything else.
    """
    try:
        found = read_json(path)
    except ValueError as error:  # of the JSON, or of the UTF-8
        raise UserError(f"{path} is damaged: it is no JSON ({error}). Copy it anew") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a mapping of names to values, found {type(found).__name__}")
    return found


def read_tensors(path: Path) -> Weights:
    """All tensors of a safetensors file, on the CPU.

    Raises:
        UserError: naming the file, when it is truncated or no such file.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged: it is no whole safetensors file ({error}). Copy it anew"
        ) from None


def check_weights(folder: Path, model: nn.Module, state: Weights) -> None:
    """Are `state` the weights of `model`, each with its shape?

    Raises:
        UserError: for the first that is missing, has another shape or is one too many.
    """
    expected = model.state_dict()
    for name, weight in expected.items():
        if name not in state:
            raise UserError(
                f"{folder}: the weights have no {name} (in gptmill's names), as config.json asks for"
            )
        if state[name].shape != weight.shape:
            raise UserError(
                f"{folder}: {name} has the shape {tuple(state[name].shape)}, "
                f"config.json asks for {tuple(weight.shape)}"
            )
    if unknown := [name for name in state if name not in expected]:
        raise UserError(f"{folder}: the weights have {unknown[0]}, which config.json has no place for")
