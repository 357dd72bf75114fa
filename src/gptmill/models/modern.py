"""`modern`: the GPT of 2024–25, each ingredient a switch (`ModernConfig`).

Rotary positions (Su et al. 2021), RMSNorm without gains (Zhang and Sennrich 2019), a norm on queries and keys
(Henry et al. 2020), squared ReLU (So et al. 2021), no biases, a head of its own, projections and head
that start at zero, a soft cap on the logits (Gemma 2, 2024), and values mixed with the first layer's (Zhou
et al. 2024, "value residual learning"): what KellerJordan/modded-nanogpt's records kept and karpathy/nanochat
is made of. benchmarks/results/ablation.md has what each is worth here.

With all switches at their defaults this is transformers' NanoChat architecture.

Shapes: B batch, T time, C = n_embd, H heads, D = C / H, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.models.attention import KVCache, Mask, attend, make_mask
from gptmill.models.config import ModernConfig
from gptmill.models.fused import gelu, queries_and_keys, relu2, rms_norm
from gptmill.models.language_model import LanguageModel

THETA = 10_000.0  # RoPE's longest wavelength, in tokens over 2 pi


class RMSNorm(nn.Module):
    """Divide by the root mean square; no gain."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x)


def rotary_tables(length: int, head_size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(length, 1, D / 2)` of each position's angles."""
    frequencies = THETA ** -(torch.arange(0, head_size, 2).float() / head_size)
    angles = torch.arange(length).float()[:, None, None] * frequencies
    return angles.cos(), angles.sin()


class ModernAttention(nn.Module):
    """Causal self-attention over H heads with rotary positions, normalised q and k, and mixed values."""

    def __init__(self, config: ModernConfig, layer: int) -> None:
        super().__init__()
        c = config.n_embd
        self.n_head, self.dropout, self.qk_norm = config.n_head, config.dropout, config.qk_norm
        self.qkv = nn.Linear(c, 3 * c, bias=config.bias)
        self.proj = nn.Linear(c, c, bias=config.bias)
        # A vector of one: a number would be a tensor without dimensions, which FSDP can't shard.
        self.mix = nn.Parameter(torch.full((1,), 0.5)) if config.value_residual and layer else None

    def forward(
        self,
        x: Tensor,
        mask: Mask,
        cache: KVCache | None,
        layer: int,
        rotary: tuple[Tensor, Tensor] | None,
        first_v: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The layer's output `(B, T, C)`, and its values `(B, T, H, D)` before mixing."""
        qk, v = self.qkv(x).unflatten(2, (3 * self.n_head, -1)).split((2 * self.n_head, self.n_head), dim=2)
        own_v = v
        q, k = queries_and_keys(qk, rotary, self.qk_norm)
        if self.mix is not None and first_v is not None:
            v = torch.lerp(v, first_v, self.mix.to(v.dtype))
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return F.dropout(self.proj(y.transpose(1, 2).flatten(2)), self.dropout, self.training), own_v


class ModernBlock(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: ModernConfig, layer: int) -> None:
        super().__init__()
        c = config.n_embd
        self.attention = ModernAttention(config, layer)
        self.norm_1 = _norm(config)
        self.expand = nn.Linear(c, 4 * c, bias=config.bias)
        self.contract = nn.Linear(4 * c, c, bias=config.bias)
        self.norm_2 = _norm(config)
        self.dropout, self.relu2 = config.dropout, config.relu2

    def forward(
        self,
        x: Tensor,
        mask: Mask,
        cache: KVCache | None,
        layer: int,
        rotary: tuple[Tensor, Tensor] | None,
        first_v: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        y, v = self.attention(self.norm_1(x), mask, cache, layer, rotary, first_v)
        x = x + y
        return x + self.mlp(self.norm_2(x)), v

    def mlp(self, x: Tensor) -> Tensor:
        x = self.expand(x)
        x = relu2(x) if self.relu2 else gelu(x)
        return F.dropout(self.contract(x), self.dropout, self.training)


class Modern(LanguageModel):
    """Token ids in, next-token logits out."""

    config: ModernConfig
    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModernConfig) -> None:
        super().__init__(config)
        self.logit_cap = config.logit_cap
        self.position_embedding = None if config.rope else nn.Embedding(config.block_size, config.n_embd)
        self.embedding_norm = _norm(config) if config.embedding_norm else nn.Identity()
        self.blocks = nn.ModuleList(ModernBlock(config, layer) for layer in range(config.n_layer))
        self.final_norm = _norm(config)
        if not config.tied_head:
            self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.rope:
            cos, sin = rotary_tables(config.block_size, config.n_embd // config.n_head)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        _init(self)

    def hidden(self, tokens: Tensor, cache: Any = None, documents: Tensor | None = None) -> Tensor:
        places = self.places(cache, tokens)
        x = self.token_embedding(tokens)
        rotary = None
        if self.position_embedding is not None:
            x = x + self.position_embedding.weight[places]
        x = F.dropout(self.embedding_norm(x), self.config.dropout, self.training)
        if self.config.rope:
            rotary = self.cos[places].to(x.dtype), self.sin[places].to(x.dtype)
        flex = tokens.is_cuda and not (self.training and self.config.dropout)
        mask = make_mask(tokens.shape[1], places.start, device=tokens.device, documents=documents, flex=flex)
        first_v = None
        for layer, block in enumerate(self.blocks):
            x, v = self.run_block(block, x, mask, cache, layer, rotary, first_v)
            if layer == 0 and self.config.value_residual:
                first_v = v
        if cache is not None:
            cache.length = places.stop
        return self.final_norm(x)  # type: ignore[no-any-return]


def _norm(config: ModernConfig) -> nn.Module:
    return RMSNorm() if config.rms_norm else nn.LayerNorm(config.n_embd, bias=config.bias)


def _init(model: Modern) -> None:
    """Embeddings from N(0, 0.02), matrices from N(0, 1 / fan-in); zero where `zero_init` says so.

    The zeros are on what writes to the residual path, and on the head: the model starts as the
    uniform distribution, and each block as nothing (modded-nanogpt's "muP-like" start).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            writes = name == "head" or name.endswith((".proj", ".contract"))
            if writes and model.config.zero_init:
                nn.init.zeros_(module.weight)
            else:
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
