"""The Transformer as first published: encoder and decoder, norms after each sum (Vaswani et al. 2017).

Shapes: B batch, S source tokens, T target tokens, C = n_embd, H heads, D = C / H, L layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.errors import UserError
from gptmill.models.encoder_decoder import PAD, EncoderDecoder, State


@dataclass(frozen=True)
class TransformerConfig:
    """`block_size` bounds what `learned` positions can number; `sinusoidal` ones go on for ever."""

    vocab_size: int
    n_layer: int
    n_head: int
    n_embd: int
    n_ff: int
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    block_size: int = 512
    dropout: float = 0.0


class Transformer(EncoderDecoder):
    """Self-attention on both sides, and attention from the target to the source between them.

    One matrix embeds source and target and gives the logits (section 3.4).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise UserError(f"n_embd = {config.n_embd} is not divisible by n_head = {config.n_head}")
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        learned = config.positions == "learned"
        self.positions = nn.Embedding(config.block_size, config.n_embd) if learned else None
        self.encoder: Any = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layer))
        self.decoder: Any = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_layer))
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                nn.init.xavier_uniform_(weights)
            elif name.endswith("bias"):
                nn.init.zeros_(weights)
        nn.init.normal_(self.embed.weight, std=config.n_embd**-0.5)

    def encode(self, source: Tensor, source_mask: Tensor) -> State:
        """The source's keys and values for each layer of the decoder `(B, L, H, S, D)`, and its mask."""
        x, seen = self._embed(source, start=0), source_mask[:, None, None]
        for layer in self.encoder:
            x = layer(x, seen)
        pairs = [layer.cross.keys_values(x) for layer in self.decoder]
        keys, values = (torch.stack(parts, 1) for parts in zip(*pairs, strict=True))
        none = keys[:, :, :, :0]
        return {"keys": keys, "values": values, "mask": source_mask, "own_keys": none, "own_values": none}

    def decode(self, target: Tensor, state: State) -> Tensor:
        x = self._embed(target, start=0)
        for i, layer in enumerate(self.decoder):
            source = state["keys"][:, i], state["values"][:, i], state["mask"][:, None, None]
            x, _ = layer(x, layer.attend.keys_values(x), source)
        return F.linear(x, self.embed.weight)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        x = self._embed(tokens[:, None], start=state["own_keys"].shape[3])
        own: list[tuple[Tensor, Tensor]] = []
        for i, layer in enumerate(self.decoder):
            source = state["keys"][:, i], state["values"][:, i], state["mask"][:, None, None]
            k, v = layer.attend.keys_values(x)
            own.append(
                (torch.cat((state["own_keys"][:, i], k), 2), torch.cat((state["own_values"][:, i], v), 2))
            )
            x, _ = layer(x, own[-1], source)
        keys, values = (torch.stack(parts, 1) for parts in zip(*own, strict=True))
        return F.linear(x[:, 0], self.embed.weight), {**state, "own_keys": keys, "own_values": values}

    def align(self, source: Tensor, target: Tensor) -> Tensor:
        """The mean over the heads of the last layer but one, which aligns best (Garg et al. 2019, section 4.2)."""
        state = self.encode(source, source != PAD)
        x = self._embed(target, start=0)
        looks: list[Tensor] = []
        for i, layer in enumerate(self.decoder):
            seen = state["keys"][:, i], state["values"][:, i], state["mask"][:, None, None]
            x, weights = layer(x, layer.attend.keys_values(x), seen, need_weights=True)
            looks.append(weights.mean(dim=1))
        return looks[max(0, len(looks) - 2)]

    def _embed(self, tokens: Tensor, start: int) -> Tensor:
        end = start + tokens.shape[1]
        if self.positions is None:
            places = sinusoids(start, end, self.config.n_embd, tokens.device)
        elif end > self.config.block_size:
            raise UserError(
                f"{end} tokens are more than the {self.config.block_size} learned positions of this model; "
                "shorten the text, raise block_size, or use sinusoidal positions"
            )
        else:
            places = self.positions.weight[start:end]
        x = self.embed(tokens) * math.sqrt(self.config.n_embd) + places
        return F.dropout(x, self.config.dropout, self.training)


def sinusoids(start: int, end: int, width: int, device: torch.device) -> Tensor:
    """Sines at even, cosines at odd places `(end - start, width)`, wavelengths from 2π to 20,000π (section 3.5)."""
    places = torch.arange(start, end, device=device)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    waves = torch.stack(((places * rates).sin(), (places * rates).cos()), dim=2)
    return waves.flatten(1)[:, :width]


class MultiHead(nn.Module):
    """Attention of queries `(B, T, C)` to the keys and values of another sequence, or of their own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.q = nn.Linear(config.n_embd, config.n_embd)
        self.kv = nn.Linear(config.n_embd, 2 * config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `(B, H, S, D)` of `x` `(B, S, C)`."""
        k, v = self.kv(x).unflatten(2, (2, self.n_head, -1)).permute(2, 0, 3, 1, 4).unbind()
        return k, v

    def forward(
        self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool = False
    ) -> Tensor:
        """`mask` broadcasts to `(B, H, T, S)`, true where a query may look."""
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(self._queries(x), k, v, mask, dropout, is_causal=causal)
        return self.proj(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def weights(self, x: Tensor, k: Tensor, mask: Tensor) -> Tensor:
        """What the kernels keep to themselves: who looks where, `(B, H, T, S)`."""
        scores = self._queries(x) @ k.transpose(2, 3) / math.sqrt(k.shape[3])
        return scores.masked_fill(~mask, float("-inf")).softmax(dim=3)

    def _queries(self, x: Tensor) -> Tensor:
        return self.q(x).unflatten(2, (self.n_head, -1)).transpose(1, 2)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """`norm(x + dropout(y))`, around each sublayer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(config.n_embd), config.dropout

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.norm(x + F.dropout(y, self.dropout, self.training))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Two matrices with a ReLU between them, for each place alone."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(config.n_embd, config.n_ff), nn.Linear(config.n_ff, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu_())  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Self-attention over the source, then the feed-forward network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attend, self.feed = MultiHead(config), FeedForward(config)
        self.after_attend, self.after_feed = Residual(config), Residual(config)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.after_attend(x, self.attend(x, *self.attend.keys_values(x), mask))
        return self.after_feed(x, self.feed(x))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Attention to the target so far, attention to the source, then the feed-forward network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attend, self.cross, self.feed = MultiHead(config), MultiHead(config), FeedForward(config)
        self.after_attend, self.after_cross = Residual(config), Residual(config)
        self.after_feed = Residual(config)

    def forward(
        self,
        x: Tensor,
        own: tuple[Tensor, Tensor],
        source: tuple[Tensor, Tensor, Tensor],
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The layer's output `(B, T, C)`, and where in the source it looked `(B, H, T, S)` if that is needed.

        Args:
            own: keys and values of the target up to and with `x`. Rows are filled up at their end, so that
                a causal look never meets padding.
            source: its keys, its values, its mask.
        """
        x = self.after_attend(x, self.attend(x, *own, None, causal=x.shape[1] > 1))
        weights = self.cross.weights(x, source[0], source[2]) if need_weights else None
        x = self.after_cross(x, self.cross(x, *source))
        return self.after_feed(x, self.feed(x)), weights
