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
    """Keys and values of the tokens seen so far, `(B, H, S, D)` a layer, in buffers with room for more.

    Room doubles when it runs out, up to `capacity` tokens, so a token's own keys and values are all that is
    written for it.
    """

    def __init__(self, n_layer: int, capacity: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * n_layer
        self.capacity = capacity
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append `(B, H, T, D)` and return all of this layer's keys and values."""
        end = self.length + k.shape[2]
        buffers = self.layers[layer]
        if buffers is None or end > buffers[0].shape[2]:
            buffers = self.layers[layer] = (
                self._grown(buffers and buffers[0], k),
                self._grown(buffers and buffers[1], v),
            )
        for buffer, new in zip(buffers, (k, v), strict=True):
            buffer.narrow(2, self.length, end - self.length).copy_(new)
        return buffers[0].narrow(2, 0, end), buffers[1].narrow(2, 0, end)

    def reorder(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order; a row may be left out, or be there twice."""
        self.layers = [
            buffers and (self._rows(buffers[0], rows), self._rows(buffers[1], rows))
            for buffers in self.layers
        ]

    def _grown(self, buffer: Tensor | None, new: Tensor) -> Tensor:
        batch, heads, length, size = new.shape
        end = self.length + length
        grown = new.new_empty(batch, heads, max(end, min(self.capacity, max(64, 2 * end))), size)
        if buffer is not None:
            grown[:, :, : self.length] = buffer[:, :, : self.length]
        return grown

    def _rows(self, buffer: Tensor, rows: Tensor) -> Tensor:
        """In the same memory where there is enough of it: beam search comes here at every token."""
        kept = buffer[rows, :, : self.length]
        if len(rows) > len(buffer):
            buffer = buffer.new_empty(len(rows), *buffer.shape[1:])
        buffer = buffer[: len(rows)]
        buffer[:, :, : self.length] = kept
        return buffer


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


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask, dropout: float, causal: bool = True) -> Tensor:
    """Softmax attention `(B, H, T, D)`. Without a mask it is causal, and a single query sees every key.

    Args:
        causal: False: without a mask every query sees every key.
    """
    if mask is None or isinstance(mask, Tensor):
        causal = causal and mask is None and q.shape[2] > 1
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal)
    return _flex_attention()(q, k, v, block_mask=mask)  # type: ignore[no-any-return]


@cache
def _flex_attention() -> Any:
    """FlexAttention is fast only when compiled, also within a model that isn't."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False) if torch.cuda.is_available() else flex_attention


class Attention(nn.Module):
    """Self-attention over H heads, causal unless told otherwise."""

    def __init__(
        self, n_embd: int, n_head: int, *, bias: bool = True, dropout: float = 0.0, causal: bool = True
    ) -> None:
        super().__init__()
        self.n_head, self.dropout, self.causal = n_head, dropout, causal
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=bias)
        self.proj = nn.Linear(n_embd, n_embd, bias=bias)

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None, layer: int) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.n_head, -1)).permute(2, 0, 3, 1, 4).unbind()
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0, self.causal)
        return F.dropout(self.proj(y.transpose(1, 2).flatten(2)), self.dropout, self.training)
