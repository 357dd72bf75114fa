"""Reading another project's weights and configuration: what is missing or differs is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from gptmill.errors import UserError

Weights = dict[str, Tensor]


def take(folder: Path, weights: Weights, name: str) -> Tensor:
    """One of `weights`, or a `UserError`."""
    if name not in weights:
        raise UserError(f"{folder}: the weights have no {name}, which config.json asks for")
    return weights[name]


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
