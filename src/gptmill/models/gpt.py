"""GPT-1, GPT-2 and GPT-3: decoders with learned positions, tanh-GELU, biases and a tied head.

`gpt1` is post-LN (`norm(x + attention)`, `norm(n + mlp)`), with all weights from N(0, 0.02), as in
openai/finetune-transformer-lm. At the paper's size (12 layers, 12 heads, 768, context 512, 40,478 tokens)
it has 116,534,784 parameters (Radford et al. 2018).

`gpt2` is pre-LN with a norm at the end; the weights that write to the residual path start smaller by the
square root of their number, 2 a layer (Radford et al. 2019, section 2.3). As in openai/gpt-2 positions
start from N(0, 0.01).

`gpt3` is gpt2 with "alternating dense and locally banded sparse attention patterns in the layers" (Brown et
al. 2020, section 2.1): every other layer sees a window only. The paper gives no width; an eighth of the
context is GPT-Neo's 256 of 2,048.

Shapes: B batch, T time, C = n_embd, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.models.attention import Attention, KVCache, Mask, make_mask
from gptmill.models.config import GPT3Config, ModelConfig
from gptmill.models.fused import gelu
from gptmill.models.language_model import LanguageModel


class Block(nn.Module):
    """One layer: attention and the feed-forward network, with norms behind (gpt1) or in front of them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.n_embd
        self.post_norm = config.preset == "gpt1"
        self.attention = Attention(c, config.n_head, dropout=config.dropout)
        self.norm_1 = nn.LayerNorm(c)
        self.expand = nn.Linear(c, 4 * c)
        self.contract = nn.Linear(4 * c, c)
        self.norm_2 = nn.LayerNorm(c)
        self.dropout = config.dropout

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None, layer: int) -> Tensor:
        if self.post_norm:
            x = self.norm_1(x + self.attention(x, mask, cache, layer))
            return self.norm_2(x + self.mlp(x))  # type: ignore[no-any-return]
        x = x + self.attention(self.norm_1(x), mask, cache, layer)
        return x + self.mlp(self.norm_2(x))

    def mlp(self, x: Tensor) -> Tensor:
        x = self.contract(gelu(self.expand(x)))
        return F.dropout(x, self.dropout, self.training)


class GPT(LanguageModel):
    """Token ids in, next-token logits out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.final_norm = nn.Identity() if config.preset == "gpt1" else nn.LayerNorm(config.n_embd)
        self.apply(_init)
        if config.preset != "gpt1":
            _scale_residual(self)

    def hidden(self, tokens: Tensor, cache: Any = None, documents: Tensor | None = None) -> Tensor:
        places = self.places(cache, tokens)
        positions = self.position_embedding.weight[places]
        x = F.dropout(self.token_embedding(tokens) + positions, self.config.dropout, self.training)
        dense, banded = self.masks(places, tokens.device, documents)
        for layer, block in enumerate(self.blocks):
            x = self.run_block(block, x, banded if layer % 2 else dense, cache, layer)
        if cache is not None:
            cache.length = places.stop
        return self.final_norm(x)  # type: ignore[no-any-return]

    def masks(self, places: slice, device: torch.device, documents: Tensor | None) -> tuple[Mask, Mask]:
        """The masks of even and of odd layers."""
        start, length = places.start, places.stop - places.start
        flex = device.type == "cuda" and not (self.training and self.config.dropout)
        dense = make_mask(length, start, device=device, documents=documents, flex=flex)
        if not isinstance(self.config, GPT3Config):
            return dense, dense
        window = self.config.window or max(1, self.config.block_size // 8)
        banded = make_mask(length, start, device=device, documents=documents, window=window, flex=flex)
        return dense, banded


def _init(module: nn.Module) -> None:
    """N(0, 0.02) for every weight, zero for biases; norms keep one and zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _scale_residual(model: GPT) -> None:
    nn.init.normal_(model.position_embedding.weight, std=0.01)
    std = 0.02 / math.sqrt(2 * model.config.n_layer)
    for name, parameter in model.named_parameters():
        if name.endswith(("proj.weight", "contract.weight")):
            nn.init.normal_(parameter, std=std)
