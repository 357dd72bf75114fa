"""Causal attention, who may look at whom, and the cache that spares reading a prefix twice.

Shapes: B batch, T new tokens, S all tokens (cached ones included), C = n_embd, H heads, D = C / H.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mask = Any  # None (causal), a bool Tensor that broadcasts to (B, H, T, S), or FlexAttention's BlockMask


class KVCache:
    """Keys and values of the tokens seen so far, one pair `(B, H, S, D)` a layer."""

    def __init__(self, n_layer: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * n_layer
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append `(B, H, T, D)` and return all of this layer's keys and values."""
        if (seen := self.layers[layer]) is not None:
            k, v = torch.cat((seen[0], k), dim=2), torch.cat((seen[1], v), dim=2)
        self.layers[layer] = (k, v)
        return k, v


def document_ids(tokens: Tensor, eos_id: int) -> Tensor:
    """The number of its document, counted within its row, for each of `tokens` `(B, T)`.

    An end-of-text token belongs to the document after it: it is what the first token there is predicted from.
    """
    return (tokens == eos_id).cumsum(dim=1)


def make_mask(
    length: int,
    start: int,
    *,
    device: torch.device,
    documents: Tensor | None = None,
    window: int = 0,
    flex: bool = False,
) -> Mask:
    """Who may look at whom, for `length` new tokens after `start` cached ones.

    Args:
        documents: `(B, T)` as `document_ids` gives them; a token sees its own document only.
        window: a token sees this many tokens, itself included; 0 is all.
        flex: as FlexAttention's block mask, which skips what nobody sees instead of masking it.
    """
    if documents is None and (not window or start + length <= window) and (start == 0 or length == 1):
        return None

    def visible(b: Any, _h: Any, q: Any, k: Any) -> Any:
        seen = k <= q + start
        if window:
            seen = seen & (k > q + start - window)
        if documents is not None:
            seen = seen & (documents[b, q] == documents[b, k])
        return seen

    if flex:
        from torch.nn.attention.flex_attention import create_block_mask

        rows = None if documents is None else len(documents)
        return create_block_mask(visible, rows, None, length, start + length, device=device)
    b = torch.arange(1 if documents is None else len(documents), device=device)[:, None, None, None]
    q = torch.arange(length, device=device)[:, None]
    return visible(b, None, q, torch.arange(start + length, device=device))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask, dropout: float) -> Tensor:
    """Softmax attention `(B, H, T, D)`. Without a mask it is causal, and a single query sees every key."""
    if mask is None or isinstance(mask, Tensor):
        causal = mask is None and q.shape[2] > 1
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal)
    return _flex_attention()(q, k, v, block_mask=mask)  # type: ignore[no-any-return]


@cache
def _flex_attention() -> Any:
    """FlexAttention is fast only when compiled, also within a model that isn't."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False) if torch.cuda.is_available() else flex_attention


class Attention(nn.Module):
    """Causal self-attention over H heads."""

    def __init__(self, n_embd: int, n_head: int, *, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_head, self.dropout = n_head, dropout
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=bias)
        self.proj = nn.Linear(n_embd, n_embd, bias=bias)

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None, layer: int) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.n_head, -1)).permute(2, 0, 3, 1, 4).unbind()
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return F.dropout(self.proj(y.transpose(1, 2).flatten(2)), self.dropout, self.training)
