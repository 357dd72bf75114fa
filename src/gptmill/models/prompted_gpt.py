"""GPT as a translator: the source is a prompt, the target what it goes on with (Radford et al. 2018, section 3.3).

The model is this project's `gpt1`, blocks and all; here is only what lets rows of different length share a batch.
There is no encoder and no cross attention: the source's keys and values lie before the target's.

Shapes: B batch, S source tokens, T target tokens, C = n_embd, H heads, D = C / H, L layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models.config import make_config
from gptmill.models.encoder_decoder import PAD, EncoderDecoder, State
from gptmill.models.gpt import GPT


@dataclass(frozen=True)
class PromptedGPTConfig:
    """`block_size` bounds source and target together."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0


class PromptedGPT(EncoderDecoder):
    """Source, end token, target: one text for a decoder alone."""

    def __init__(self, config: PromptedGPTConfig) -> None:
        super().__init__()
        self.config = config
        self.gpt = GPT(make_config("gpt1", **vars(config)))

    def encode(self, source: Tensor, source_mask: Tensor) -> State:
        """Keys and values of the source `(B, L, H, S, D)`, and which of them are of a token."""
        c = self.config
        none = self.gpt.token_embedding.weight.new_empty(
            len(source), c.n_layer, c.n_head, 0, c.n_embd // c.n_head
        )
        state = {"keys": none, "values": none, "mask": source_mask[:, :0]}
        return self._read(source, source_mask, state)[1]

    def decode(self, target: Tensor, state: State) -> Tensor:
        return self.gpt.logits(self._read(target, torch.ones_like(target, dtype=torch.bool), state)[0])

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        new = tokens[:, None]
        x, state = self._read(new, torch.ones_like(new, dtype=torch.bool), state)
        return self.gpt.logits(x)[:, 0], state

    def align(self, source: Tensor, target: Tensor) -> Tensor:
        """The mean over the heads of the last layer but one, of what falls on the source."""
        looks: list[Tensor] = []
        state = self.encode(source, source != PAD)
        self._read(target, torch.ones_like(target, dtype=torch.bool), state, looks)
        weights = looks[max(0, len(looks) - 2)].mean(dim=1)[:, :, : source.shape[1]]
        return weights / weights.sum(dim=2, keepdim=True)

    def _read(
        self, tokens: Tensor, valid: Tensor, state: State, looks: list[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """The last layer's states for `tokens` `(B, T)` after those of `state`, and the state with them.

        Args:
            looks: gets each layer's attention weights `(B, H, T, S + T)`.
        """
        length = tokens.shape[1]
        before = state["mask"].sum(dim=1, keepdim=True)
        places = before + torch.arange(length, device=tokens.device)
        if (longest := int(before.max()) + length) > self.config.block_size:
            raise UserError(
                f"source and target have {longest} tokens together, more than block_size = "
                f"{self.config.block_size} of this model; shorten the text, or raise block_size"
            )
        causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        old = state["mask"][:, None].expand(-1, length, -1)
        mask = torch.cat((old, valid[:, None] & causal), dim=2)[:, None]
        x = self.gpt.token_embedding(tokens) + self.gpt.position_embedding(places)
        x = F.dropout(x, self.config.dropout, self.training)
        past = _Past(state)
        for i, block in enumerate(self.gpt.blocks):
            inputs, x = x, block(x, mask, past, i)
            if looks is not None:
                looks.append(_weights(block, inputs, past.keys[i], mask))
        new = {
            "keys": torch.stack(past.keys, 1),
            "values": torch.stack(past.values, 1),
            "mask": torch.cat((state["mask"], valid), dim=1),
        }
        return self.gpt.final_norm(x), new


class _Past:
    """What `Attention` takes for a cache: keys and values so far, those of new tokens put behind them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """All of a layer's keys and values, given the new ones `(B, H, T, D)`."""
        self.keys.append(torch.cat((self.state["keys"][:, layer], k), dim=2))
        self.values.append(torch.cat((self.state["values"][:, layer], v), dim=2))
        return self.keys[-1], self.values[-1]


def _weights(block: Any, x: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """Who looks where in a block of `gpt1`, `(B, H, T, S + T)`."""
    q = block.attention.qkv(x).unflatten(2, (3, block.attention.n_head, -1))[:, :, 0].transpose(1, 2)
    scores = q @ keys.transpose(2, 3) / math.sqrt(q.shape[3])
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=3)  # type: ignore[no-any-return]
