"""What `auto` stands for: the optimizer, learning rates and schedule that suit each preset and width.

Tuned for models of a few million parameters trained for minutes (docs/log.md). Wider ones take smaller steps:

- AdamW's rate is at most `REFERENCE · 768 / width`. For the pre-LN presets that is GPT-3's 6e-4 at width 768, and
  within a factor of 1.6 of the other rows of its table (Brown et al. 2020, table 2.1); post-LN has GPT-1's 2.5e-4
  (Radford et al. 2018, section 4.1).
- Beside Muon the rates of AdamW fall with the root of the width beyond 768, as in karpathy/nanochat.
- Muon's own is 0.02 at every width: its updates have unit scale whatever the matrix (Jordan et al. 2024;
  modded-nanogpt and nanochat use it from 124M to 1.9B parameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gptmill.params.model import Model

if TYPE_CHECKING:
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
REFERENCE_WIDTH = 768
REFERENCE = {preset: 2.5e-4 if preset in ("gpt1", "bert") else 6e-4 for preset in RECIPES}


@dataclass(frozen=True)
class Rates:
    """An optimizer's settings with nothing left open."""

    name: Literal["adamw", "muon"]
    learning_rate: float
    embedding_learning_rate: float
    matrix_learning_rate: float
    schedule: Literal["cosine", "wsd"]
    warmup_steps: int


def settled_name(name: Literal["auto", "adamw", "muon"], preset: str) -> Literal["adamw", "muon"]:
    """The optimizer that trains: the preset's own, where `name` leaves it open."""
    return RECIPES[preset].name if name == "auto" else name


def settle(optimizer: Optimizer, model: Model, steps: int) -> Rates:
    """`optimizer` with each `auto` replaced by what suits `model` and a run of `steps` steps."""
    recipe = RECIPES[model.preset]
    name = settled_name(optimizer.name, model.preset)
    rates = MUON if name == "muon" else recipe if recipe.name == "adamw" else _ADAMW
    narrower = REFERENCE_WIDTH / model.n_embd
    general = optimizer.learning_rate
    embedding = optimizer.embedding_learning_rate
    matrix = optimizer.matrix_learning_rate
    if name == "muon":
        auto = min(1.0, narrower**0.5) * rates.learning_rate
        auto_embedding = min(1.0, narrower**0.5) * rates.embedding_learning_rate
        auto_matrix = rates.matrix_learning_rate
    else:
        auto = min(rates.learning_rate, REFERENCE[model.preset] * narrower)
        auto_embedding = auto_matrix = auto if general == "auto" else general  # one rate for all weights
    warmup = optimizer.warmup_steps
    return Rates(
        name=name,
        learning_rate=auto if general == "auto" else general,
        embedding_learning_rate=auto_embedding if embedding == "auto" else embedding,
        matrix_learning_rate=auto_matrix if matrix == "auto" else matrix,
        schedule=rates.schedule if optimizer.schedule == "auto" else optimizer.schedule,
        warmup_steps=int(rates.warmup_fraction * steps) if warmup == "auto" else warmup,
    )
