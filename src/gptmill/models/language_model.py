"""What every model is to the rest: ids in, states, logits or a loss out.

Shapes: B batch, T time, C = n_embd, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gptmill.errors import UserError
from gptmill.models.attention import KVCache, Mask
from gptmill.models.config import ModelConfig
from gptmill.models.cross_entropy import cap_logits, cross_entropy


class LanguageModel(nn.Module):
    """A family defines `hidden`; the head is the token embedding, unless the family makes one.

    `activation_checkpointing = True` keeps only each block's input for the backward pass and computes the
    rest again: a third more work for far less memory.
    """

    activation_checkpointing = False
    logit_cap = 0.0
    causal = True  # False: a state knows the tokens after it too, and is of the token in its own place

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.head: nn.Linear | None = None

    def forward(
        self,
        tokens: Tensor,
        cache: Any = None,
        *,
        targets: Tensor | None = None,
        documents: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Logits `(B, T, V)` of the token that follows each of `tokens` `(B, T)`; with `targets`, `loss`.

        The loss goes through here so that what wraps a call (compilation, FSDP's gathering) wraps it too.
        """
        hidden = self.hidden(tokens, cache, documents)
        if targets is None:
            return self.logits(hidden)
        return self.cross_entropy(hidden, targets, reduction)

    def hidden(self, tokens: Tensor, cache: Any = None, documents: Tensor | None = None) -> Tensor:
        """The last layer's states `(B, T, C)` for `tokens` `(B, T)`.

        Args:
            cache: of `new_cache`; `tokens` continue what it holds, and are added to it.
            documents: `(B, T)` of `attention.document_ids`: a token then sees its own document only.
                Positions still count from the start of the row. Not together with a cache.
        """
        raise NotImplementedError

    def places(self, cache: Any, tokens: Tensor) -> slice:
        """The positions of `tokens` `(B, T)`, which continue `cache`.

        Raises:
            UserError: when they go beyond `block_size`.
        """
        start, length = cache.length if cache is not None else 0, tokens.shape[1]
        if start + length > self.config.block_size:
            raise UserError(
                f"{start + length} tokens in a row are too many: the model reads block_size = "
                f"{self.config.block_size} at once; cut the text into windows of that"
            )
        return slice(start, start + length)

    def new_cache(self) -> Any:
        """An empty cache for `hidden` and `forward`; its `length` is the number of tokens read."""
        return KVCache(self.config.n_layer, self.config.block_size)

    def head_weight(self) -> Tensor:
        """The matrix `(V, C)` whose product with a state gives the scores of all tokens."""
        return self.token_embedding.weight if self.head is None else self.head.weight

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores `(B, T, V)` of every token."""
        return cap_logits(F.linear(hidden, self.head_weight()), self.logit_cap)

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        *,
        documents: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Next-token cross-entropy in nats; `tokens` and `targets` are `(B, T)`.

        Targets of -100 don't count. `reduction` is `mean` (over those that count), `sum`, which is what
        accumulated batches of unequal size need, or `none`: `(B, T)` without gradient.
        """
        return self(tokens, targets=targets, documents=documents, reduction=reduction)  # type: ignore[no-any-return]

    def cross_entropy(self, hidden: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """The same from states `(B, T, C)`; all logits are never held at once."""
        nats = cross_entropy(
            hidden.flatten(0, 1),
            self.head_weight(),
            targets.flatten(),
            cap=self.logit_cap,
            reduction=reduction,
        )
        return nats.view_as(targets) if reduction == "none" else nats

    def run_block(self, block: nn.Module, x: Tensor, mask: Mask, cache: Any, layer: int, *rest: Any) -> Any:
        """One block, its insides forgotten until the backward pass where memory is short."""
        if self.activation_checkpointing and self.training:
            return checkpoint(block, x, mask, cache, layer, *rest, use_reentrant=False)
        return block(x, mask, cache, layer, *rest)
