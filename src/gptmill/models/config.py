"""Everything that decides a model's shape; what it holds is the `config.json` beside the weights."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from gptmill.errors import UserError, nearest


@dataclass(frozen=True)
class ModelConfig:
    """Sizes, in nanoGPT's names. The LSTM has no heads and leaves `n_head` unread.

    `document_mask`: it learned to see one document at a time, however many a row holds, and is scored so too.
    """

    preset: str
    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    document_mask: bool = False


@dataclass(frozen=True)
class GPT3Config(ModelConfig):
    """`window`: how many tokens the banded layers look back over, their own included; 0 is block_size / 8."""

    window: int = 0


@dataclass(frozen=True)
class ModernConfig(ModelConfig):
    """Each ingredient of `modern` is a switch; off is what GPT-2 does."""

    rope: bool = True
    rms_norm: bool = True
    embedding_norm: bool = True
    qk_norm: bool = True
    relu2: bool = True
    bias: bool = False
    tied_head: bool = False
    zero_init: bool = True
    value_residual: bool = False
    logit_cap: float = 15.0


CONFIGS: dict[str, type[ModelConfig]] = {
    "gpt1": ModelConfig,
    "gpt2": ModelConfig,
    "gpt3": GPT3Config,
    "modern": ModernConfig,
    "lstm": ModelConfig,
    "bert": ModelConfig,
}


def make_config(preset: str, **settings: Any) -> ModelConfig:
    """The configuration of a preset, checked.

    Raises:
        UserError: for an unknown preset or setting (with the nearest known one), one that is missing, or
            sizes that don't go together.
    """
    if preset not in CONFIGS:
        raise UserError(f'no model preset "{preset}"{nearest(preset, CONFIGS)} Presets: {", ".join(CONFIGS)}')
    known = {field.name: field.default is MISSING for field in fields(CONFIGS[preset])[1:]}
    for name in settings:
        if name not in known:
            raise UserError(
                f'preset {preset} has no setting "{name}"{nearest(name, known)} It has: {", ".join(known)}'
            )
    if missing := [name for name, needed in known.items() if needed and name not in settings]:
        raise UserError(f"preset {preset} also needs {', '.join(missing)}")
    for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
        if settings[name] < 1 and (preset, name) != ("lstm", "n_head"):
            raise UserError(f"{name} = {settings[name]} is not possible; it must be at least 1")
    if not 0.0 <= (dropout := settings.get("dropout", 0.0)) < 1.0:
        raise UserError(f"dropout = {dropout} is not possible; it must be at least 0 and below 1")
    if (window := settings.get("window", 0)) < 0:
        raise UserError(f"window = {window} is not possible; it must be at least 0 (0: block_size / 8)")
    config = CONFIGS[preset](preset, **settings)
    if preset != "lstm" and config.n_embd % config.n_head:
        raise UserError(f"n_embd = {config.n_embd} is not divisible by n_head = {config.n_head}")
    if isinstance(config, ModernConfig) and config.rope and config.n_embd // config.n_head % 2:
        raise UserError(
            f"rope turns pairs, so a head's width must be even; it is n_embd / n_head = "
            f"{config.n_embd // config.n_head}"
        )
    return config
