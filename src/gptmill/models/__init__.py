"""Models in plain `torch.nn`: build one by preset, save and load it without pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save
from torch import nn

from gptmill.errors import UserError, nearest
from gptmill.models.gpt import GPT, GPTConfig
from gptmill.outs import read_json, write_json

PRESETS = ("gpt1",)


def build_model(
    preset: str,
    *,
    vocab_size: int,
    block_size: int,
    n_layer: int,
    n_head: int,
    n_embd: int,
    dropout: float = 0.0,
) -> GPT:
    """A new model; its `forward(tokens)` maps `(batch, time)` ids to `(batch, time, vocab_size)` logits."""
    if preset not in PRESETS:
        raise UserError(f'no model preset "{preset}"{nearest(preset, PRESETS)} Presets: {", ".join(PRESETS)}')
    if n_embd % n_head:
        raise UserError(f"n_embd = {n_embd} is not divisible by n_head = {n_head}")
    return GPT(GPTConfig(preset, vocab_size, block_size, n_layer, n_head, n_embd, dropout))


def save_model(model: GPT, folder: str | Path) -> None:
    """Write `model.safetensors` and `config.json`: the same weights give the same bytes."""
    save_weights(model, Path(folder) / "model.safetensors")
    write_json(Path(folder) / "config.json", asdict(model.config))


def save_weights(module: nn.Module, path: Path) -> None:
    """All parameters of a module as safetensors, written by us: a full disk stays an `OSError`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    path.write_bytes(save(weights))


def load_model(folder: str | Path) -> GPT:
    """The model that `save_model` wrote, on the CPU, in evaluation mode."""
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no gptmill model: {name} is missing")
    model = build_model(**read_json(folder / "config.json"))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
