"""A model's inside while it reads a prompt, gathered by hooks: nothing of the model is changed.

Shapes: T time, V vocabulary, C = n_embd, L layers, H heads, D = C / H.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models.fused import queries_and_keys
from gptmill.models.gpt import GPT
from gptmill.models.language_model import LanguageModel
from gptmill.models.lstm import LSTM
from gptmill.models.modern import Modern


@dataclass(frozen=True)
class Trace:
    """Attributes:
    ids: the tokens read: the one between documents, and the prompt's.
    chances: `(T, V)`, the probability of each token after each of `ids`.
    attention: `(L, H, T, T)`, how much each token (row) takes from each (column); none of an LSTM.
    lens: `(L + 1, V)`, what the embedding and then each layer would predict after the last token, were it
        the last layer (nostalgebraist 2020, "interpreting GPT: the logit lens").
    """

    ids: list[int]
    chances: Tensor
    attention: Tensor | None
    lens: Tensor

    @property
    def nats(self) -> list[float]:
        """The loss of each token but the first."""
        following = torch.tensor(self.ids[1:])[:, None]
        return (-self.chances[:-1].gather(1, following).log()).squeeze(1).tolist()


@torch.no_grad()
def trace(model: LanguageModel, prompt: list[int], start: int) -> Trace:
    """Read `prompt` after the token `start`.

    Raises:
        UserError: when both are more than the model's context.
    """
    ids = [start, *prompt]
    if len(ids) > model.config.block_size:
        raise UserError(
            f"the prompt has {len(prompt):,} tokens, and at most {model.config.block_size - 1:,} can be looked "
            "at (block_size less the token between documents, which comes first); shorten the prompt"
        )
    tokens = torch.tensor([ids], device=model.token_embedding.weight.device)
    inside: dict[tuple[str, int], Tensor] = {}
    hooks = [hook for layer in range(_n_blocks(model)) for hook in _hooks(model, layer, inside)]
    try:
        logits = model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(model, LSTM):
        embedded = model.token_embedding(tokens)
        states = torch.cat([embedded[:, -1], model.lstm(embedded)[1][0][:, 0]])
        lens = model.logits(states)
    else:
        states = torch.stack([inside["state", layer] for layer in range(model.config.n_layer + 1)])
        final_norm: Any = model.final_norm
        lens = model.logits(final_norm(states))
    maps = [attention_weights(model, inside["qkv", layer], layer) for layer in range(_n_blocks(model))]
    return Trace(
        ids,
        logits[0].float().softmax(-1).cpu(),
        torch.stack(maps).cpu() if maps else None,
        lens.float().softmax(-1).cpu(),
    )


def _n_blocks(model: LanguageModel) -> int:
    return 0 if isinstance(model, LSTM) else model.config.n_layer


def _hooks(model: Any, layer: int, inside: dict[tuple[str, int], Tensor]) -> list[Any]:
    """Keep a block's queries, keys and values, and the state of the last token after it."""
    block = model.blocks[layer]

    def before(_module: Any, args: Any) -> None:
        inside["state", layer] = args[0][0, -1]

    def after(_module: Any, _args: Any, out: Any) -> None:
        inside["state", layer + 1] = (out[0] if isinstance(out, tuple) else out)[0, -1]

    def projected(_module: Any, _args: Any, out: Tensor) -> None:
        inside["qkv", layer] = out[0]

    return [
        block.register_forward_pre_hook(before),
        block.register_forward_hook(after),
        block.attention.qkv.register_forward_hook(projected),
    ]


def attention_weights(model: Any, qkv: Tensor, layer: int) -> Tensor:
    """The weights `(H, T, T)` that `attend` uses without showing them, from a layer's `qkv` `(T, 3C)`."""
    heads, time = model.config.n_head, len(qkv)
    parts = qkv.view(time, 3 * heads, -1)
    mask = torch.ones(time, time, dtype=torch.bool, device=qkv.device).tril()
    if isinstance(model, Modern):
        rotary = (model.cos[:time], model.sin[:time]) if model.config.rope else None
        q, k = queries_and_keys(parts[None, :, : 2 * heads], rotary, model.config.qk_norm)
        q, k = q[0], k[0]
    else:
        assert isinstance(model, GPT)
        q, k = parts[:, :heads], parts[:, heads : 2 * heads]
        banded = model.masks(slice(0, time), torch.device("cpu"), None)[layer % 2]
        if banded is not None:
            mask = banded.reshape(time, time).to(qkv.device)
    q, k = q.transpose(0, 1), k.transpose(0, 1)
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    weights: Tensor = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return weights
