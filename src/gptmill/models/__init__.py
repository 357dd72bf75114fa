"""Models in plain `torch.nn`: build one by preset, save and load it without pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from gptmill.errors import UserError
from gptmill.models.bert import BERT
from gptmill.models.config import ModelConfig, ModernConfig, make_config
from gptmill.models.files import check_weights, read_object, read_tensors
from gptmill.models.gpt import GPT
from gptmill.models.language_model import LanguageModel
from gptmill.models.lstm import LSTM
from gptmill.models.modern import Modern
from gptmill.outs import write_json


def build_model(
    preset: str,
    *,
    vocab_size: int,
    block_size: int,
    n_layer: int,
    n_head: int,
    n_embd: int,
    dropout: float = 0.0,
    **switches: Any,
) -> LanguageModel:
    """A new model; its `forward(tokens)` maps `(batch, time)` ids to `(batch, time, vocab_size)` logits.

    Args:
        preset: gpt1, gpt2, gpt3, modern or lstm; or bert, whose logits are of the token in each place itself.
        switches: what else the preset's configuration in `models.config` has.

    Raises:
        UserError: for a preset or a switch that does not exist, or sizes that don't go together.
    """
    sizes = {"vocab_size": vocab_size, "block_size": block_size, "n_layer": n_layer, "n_head": n_head}
    return _of_config(make_config(preset, **sizes, n_embd=n_embd, dropout=dropout, **switches))


def _of_config(config: ModelConfig) -> LanguageModel:
    if isinstance(config, ModernConfig):
        return Modern(config)
    families: dict[str, type[LanguageModel]] = {"lstm": LSTM, "bert": BERT}
    return families.get(config.preset, GPT)(config)


def save_model(model: LanguageModel, folder: str | Path) -> None:
    """Write `model.safetensors` and `config.json`: the same weights give the same bytes."""
    save_weights(model, Path(folder) / "model.safetensors")
    write_json(Path(folder) / "config.json", asdict(model.config))


def save_weights(module: nn.Module, path: Path) -> None:
    """All parameters of a module as safetensors, written by us: a full disk stays an `OSError`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    path.write_bytes(save(weights))


def load_model(folder: str | Path) -> LanguageModel:
    """The model that `save_model` wrote, on the CPU, in evaluation mode.

    Raises:
        UserError: naming the file that is missing or damaged, and the field that is wrong.
    """
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no gptmill model: {name} is missing")
    path = folder / "config.json"
    settings = read_object(path)
    if "preset" not in settings:
        raise UserError(f"{path}: preset is missing, so this is no model of gptmill's")
    try:
        config = make_config(**settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    weights = read_tensors(folder / "model.safetensors")
    model = _of_config(config)
    check_weights(folder, model, weights)
    model.load_state_dict(weights)
    return model.eval()
