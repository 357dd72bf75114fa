"""BERT: an encoder that sees the text on both sides, and finds tokens that were masked (Devlin et al. 2018).

Post-LN layers (`norm(x + attention)`, `norm(n + mlp)`, eps 1e-12), exact GELU, learned positions, token types
(0 for the first text of a pair, 1 for the second), a norm behind the sum of the embeddings. The masked-LM head
is a linear layer, GELU, a norm, and the token embedding with a bias, as in google-research/bert. All weights
start from N(0, 0.02).

There is no next-sentence prediction, nor the pooler that it trains: without it the same model does as well or
better on the tasks (Liu et al. 2019, section 4.2).

[MASK] is the embedding's last row, `vocab_size`: a tokenizer needs no token for it, and it is never predicted.

Shapes: B batch, T time, C = n_embd, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.errors import UserError
from gptmill.models.attention import Attention, Mask
from gptmill.models.config import ModelConfig
from gptmill.models.cross_entropy import IGNORED, cross_entropy
from gptmill.models.language_model import LanguageModel

EPS = 1e-12
NO_NEXT = (
    "preset bert can't continue text: it reads in both directions, so it has no next token; take a model of "
    "gpt1, gpt2, gpt3, modern or lstm"
)


class Layer(nn.Module):
    """Attention and the feed-forward network, each followed by a norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.n_embd
        self.attention = Attention(c, config.n_head, dropout=config.dropout, causal=False)
        self.norm_1 = nn.LayerNorm(c, eps=EPS)
        self.expand = nn.Linear(c, 4 * c)
        self.contract = nn.Linear(4 * c, c)
        self.norm_2 = nn.LayerNorm(c, eps=EPS)
        self.dropout = config.dropout

    def forward(self, x: Tensor, mask: Mask, cache: None, layer: int) -> Tensor:
        x = self.norm_1(x + self.attention(x, mask, cache, layer))
        y = self.contract(F.gelu(self.expand(x)))
        return self.norm_2(x + F.dropout(y, self.dropout, self.training))  # type: ignore[no-any-return]


class BERT(LanguageModel):
    """Token ids in, at each place the scores of the token that belongs there."""

    causal = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        c = config.n_embd
        self.token_embedding = nn.Embedding(config.vocab_size + 1, c)
        self.position_embedding = nn.Embedding(config.block_size, c)
        self.type_embedding = nn.Embedding(2, c)
        self.embedding_norm = nn.LayerNorm(c, eps=EPS)
        self.blocks = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.transform = nn.Linear(c, c)
        self.transform_norm = nn.LayerNorm(c, eps=EPS)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.apply(_init)

    def hidden(
        self,
        tokens: Tensor,
        cache: Any = None,
        documents: Tensor | None = None,
        types: Tensor | None = None,
    ) -> Tensor:
        """The last layer's states `(B, T, C)`.

        Args:
            documents: `(B, T)` numbers; a token sees those with its own number only, on both sides. With a
                number for padding, this is also the mask that hides it.
            types: `(B, T)`, 0 or 1; by default all 0.

        Raises:
            UserError: for a cache: with each new token every state would change.
        """
        if cache is not None:
            raise UserError(NO_NEXT)
        positions = self.position_embedding.weight[self.places(None, tokens)]
        kinds = self.type_embedding.weight[0] if types is None else self.type_embedding(types)
        x = self.embedding_norm(self.token_embedding(tokens) + positions + kinds)
        x = F.dropout(x, self.config.dropout, self.training)
        mask = None if documents is None else (documents[:, :, None] == documents[:, None, :])[:, None]
        for layer, block in enumerate(self.blocks):
            x = self.run_block(block, x, mask, None, layer)
        return x  # type: ignore[no-any-return]

    def new_cache(self) -> Any:
        """Raises UserError: text can't be continued by a model that reads what comes after."""
        raise UserError(NO_NEXT)

    def head_weight(self) -> Tensor:
        return self.token_embedding.weight[: self.config.vocab_size]

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(self._transformed(hidden), self.head_weight(), self.head_bias)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def cross_entropy(self, hidden: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Only states with a target go through the head: one in seven. Which, a compiler can't know."""
        counted = targets != IGNORED
        # The bias as one more column of the head, for which each state has a one: the loss takes a matrix.
        nats = cross_entropy(
            F.pad(self._transformed(hidden[counted]), (0, 1), value=1.0),
            torch.cat((self.head_weight(), self.head_bias[:, None]), dim=1),
            targets[counted],
            reduction=reduction,
        )
        if reduction != "none":
            return nats
        return torch.zeros_like(targets, dtype=nats.dtype).masked_scatter(counted, nats)

    def _transformed(self, hidden: Tensor) -> Tensor:
        return self.transform_norm(F.gelu(self.transform(hidden)))  # type: ignore[no-any-return]


def _init(module: nn.Module) -> None:
    """N(0, 0.02) for every weight, zero for biases; norms keep one and zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
