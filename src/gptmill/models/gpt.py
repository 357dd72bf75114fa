"""GPT-1's decoder: "Improving Language Understanding by Generative Pre-Training" (Radford et al. 2018).

Post-LN blocks (`norm(x + attention)`, `norm(n + mlp)`), learned positions, tanh-GELU, biases everywhere,
the head tied to the token embedding, all weights from N(0, 0.02), as in openai/finetune-transformer-lm.
At the paper's size (12 layers, 12 heads, 768, context 512, 40,478 tokens) it has 116,534,784 parameters.

Shapes: B batch, T time, C = n_embd, H heads, D = C / H, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class GPTConfig:
    """Everything that decides a model's shape."""

    preset: str
    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0


class KVCache:
    """Keys and values of the tokens seen so far, one pair `(B, H, T, D)` a layer."""

    def __init__(self, n_layer: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * n_layer
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append `(B, H, t, D)` and return all of this layer's keys and values."""
        if (seen := self.layers[layer]) is not None:
            k, v = torch.cat((seen[0], k), dim=2), torch.cat((seen[1], v), dim=2)
        self.layers[layer] = (k, v)
        return k, v


class Attention(nn.Module):
    """Causal self-attention over H heads."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x: Tensor, cache: KVCache | None, layer: int) -> Tensor:
        b, t, c = x.shape
        q, k, v = (
            part.view(b, t, self.n_head, c // self.n_head).transpose(1, 2)
            for part in self.qkv(x).split(c, dim=2)
        )
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        # A single new token may look at everything cached; several need the causal mask, which
        # `is_causal` aligns rightly only when nothing was cached before them.
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=t > 1, dropout_p=self.dropout if self.training else 0.0
        )
        return F.dropout(self.proj(y.transpose(1, 2).reshape(b, t, c)), self.dropout, self.training)


class Block(nn.Module):
    """One post-LN layer: attention, then the feed-forward network, each added and then normalised."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.norm_1 = nn.LayerNorm(config.n_embd)
        self.expand = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.contract = nn.Linear(4 * config.n_embd, config.n_embd)
        self.norm_2 = nn.LayerNorm(config.n_embd)
        self.dropout = config.dropout

    def forward(self, x: Tensor, cache: KVCache | None, layer: int) -> Tensor:
        n = self.norm_1(x + self.attention(x, cache, layer))
        mlp = self.contract(F.gelu(self.expand(n), approximate="tanh"))
        return self.norm_2(n + F.dropout(mlp, self.dropout, self.training))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """Token ids in, next-token logits out."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.apply(_init)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits `(B, T, V)` of the token that follows each of `tokens` `(B, T)`."""
        return self.logits(self.hidden(tokens, cache))

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """The last layer's states `(B, T, C)` for `tokens` `(B, T)`.

        With a cache, `tokens` continue what it holds (one at a time, or any number into an empty cache).
        """
        start = cache.length if cache is not None else 0
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        x = F.dropout(x, self.config.dropout, self.training)
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer)
        if cache is not None:
            cache.length += tokens.shape[1]
        return x  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores `(B, T, V)` of every token, by the tied embedding."""
        return F.linear(hidden, self.token_embedding.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean next-token cross-entropy in nats; `tokens` and `targets` are `(B, T)`."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


def _init(module: nn.Module) -> None:
    """N(0, 0.02) for every weight, zero for biases; norms keep one and zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
