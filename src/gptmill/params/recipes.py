"""What `auto` stands for: the optimizer, learning rates and schedule that suit each preset.

Tuned for models of a few million parameters trained for minutes (docs/log.md); GPT-1's paper and GPT-3's
table 2.1 have the learning rates of larger ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gptmill.params.depth import from_depth
from gptmill.params.model import Model
from gptmill.params.pretrain import Optimizer


@dataclass(frozen=True)
class Recipe:
    name: Literal["adamw", "muon"]
    learning_rate: float
    embedding_learning_rate: float
    matrix_learning_rate: float
    schedule: Literal["cosine", "wsd"]
    warmup_fraction: float


_ADAMW = Recipe("adamw", 2e-3, 2e-3, 2e-3, "cosine", 0.05)
RECIPES = {
    # Post-LN is touchy: 2e-3 learns docstrings faster, and books not at all.
    "gpt1": Recipe("adamw", 1e-3, 1e-3, 1e-3, "cosine", 0.2),
    "bert": Recipe("adamw", 1e-3, 1e-3, 1e-3, "cosine", 0.2),  # post-LN too
    "gpt2": _ADAMW,
    "gpt3": _ADAMW,
    "lstm": _ADAMW,
    "modern": Recipe("muon", 4e-3, 0.1, 0.02, "wsd", 0.01),
}
# The rates for Muon with a preset whose own optimizer is AdamW.
MUON = RECIPES["modern"]


@dataclass(frozen=True)
class Rates:
    """An optimizer's settings with nothing left open."""

    name: Literal["adamw", "muon"]
    learning_rate: float
    embedding_learning_rate: float
    matrix_learning_rate: float
    schedule: Literal["cosine", "wsd"]
    warmup_steps: int


def settle(optimizer: Optimizer, model: Model, steps: int) -> Rates:
    """`optimizer` with each `auto` replaced by what suits `model` and a run of `steps` steps.

    A model that was given by its depth has its width's learning rate (`params.depth`).
    """
    recipe = RECIPES[model.preset]
    name = recipe.name if optimizer.name == "auto" else optimizer.name
    rates = MUON if name == "muon" else recipe if recipe.name == "adamw" else _ADAMW
    general = optimizer.learning_rate
    if general == "auto":
        by_depth = name == "adamw" and model.depth is not None
        general = from_depth(model.depth or 1).adamw_learning_rate if by_depth else rates.learning_rate
    embedding = optimizer.embedding_learning_rate
    if embedding == "auto":
        embedding = rates.embedding_learning_rate if name == "muon" else general
    matrix = optimizer.matrix_learning_rate
    if matrix == "auto":
        matrix = rates.matrix_learning_rate if name == "muon" else general
    warmup = optimizer.warmup_steps
    return Rates(
        name=name,
        learning_rate=general,
        embedding_learning_rate=embedding,
        matrix_learning_rate=matrix,
        schedule=rates.schedule if optimizer.schedule == "auto" else optimizer.schedule,
        warmup_steps=int(rates.warmup_fraction * steps) if warmup == "auto" else warmup,
    )
