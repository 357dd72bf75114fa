"""The translation systems by name: make one, write it, read it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from gptmill.errors import UserError, nearest
from gptmill.models import save_weights
from gptmill.models.encoder_decoder import EncoderDecoder
from gptmill.models.prompted_gpt import PromptedGPT, PromptedGPTConfig
from gptmill.models.rnnsearch import RNNSearch, RNNSearchConfig
from gptmill.models.seq2seq import Seq2Seq, Seq2SeqConfig
from gptmill.models.transformer import Transformer, TransformerConfig
from gptmill.outs import read_json, write_json

SYSTEMS: dict[str, tuple[Any, Any]] = {
    "seq2seq": (Seq2SeqConfig, Seq2Seq),
    "rnnsearch": (RNNSearchConfig, RNNSearch),
    "transformer": (TransformerConfig, Transformer),
    "gpt": (PromptedGPTConfig, PromptedGPT),
}


def make_system(system: str, **sizes: Any) -> EncoderDecoder:
    """A new model of a system, its weights drawn from torch's generator.

    Raises:
        UserError: for an unknown system, or sizes that don't go together.
    """
    if system not in SYSTEMS:
        raise UserError(f'no system "{system}"{nearest(system, SYSTEMS)} Systems: {", ".join(SYSTEMS)}')
    config, model = SYSTEMS[system]
    made: EncoderDecoder = model(config(**sizes))
    return made


def save_system(system: str, model: EncoderDecoder, folder: Path) -> None:
    """Write `model.safetensors` and `config.json`: the same weights give the same bytes."""
    save_weights(model, folder / "model.safetensors")
    config: Any = model.config
    write_json(folder / "config.json", {"system": system, **asdict(config)})


def load_system(folder: Path) -> EncoderDecoder:
    """The model that `save_system` wrote, on the CPU, in evaluation mode."""
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no translation model: {name} is missing")
    model = make_system(**read_json(folder / "config.json"))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
