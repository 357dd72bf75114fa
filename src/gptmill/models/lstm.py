"""The GPT-1 paper's baseline: an LSTM language model (Radford et al. 2018, section 5: one layer of 2,048 units).

`n_embd` is the number of units and of the embedding's columns, the head is tied. No dropout between layers
but on what goes in and comes out, as in GPT-1.

Shapes: B batch, T time, C = n_embd.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.errors import UserError
from gptmill.models.config import ModelConfig
from gptmill.models.language_model import LanguageModel


class LSTMCache:
    """The state after the tokens read so far: `h` and `c`, each `(n_layer, B, C)`."""

    def __init__(self) -> None:
        self.state: tuple[Tensor, Tensor] | None = None
        self.length = 0

    def reorder(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order."""
        if self.state is not None:
            self.state = (self.state[0][:, rows], self.state[1][:, rows])


class LSTM(LanguageModel):
    """Token ids in, next-token logits out, one step after the other."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.lstm = nn.LSTM(config.n_embd, config.n_embd, config.n_layer, batch_first=True)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def new_cache(self) -> LSTMCache:
        return LSTMCache()

    def hidden(self, tokens: Tensor, cache: Any = None, documents: Tensor | None = None) -> Tensor:
        """Raises UserError: for `documents`; a state that runs on can't be masked."""
        if documents is not None:
            raise UserError("the preset lstm can't keep documents apart; set document_mask: false")
        x = F.dropout(self.token_embedding(tokens), self.config.dropout, self.training)
        x, state = self.lstm(x, cache.state if cache is not None else None)
        if cache is not None:
            cache.state = state
            cache.length += tokens.shape[1]
        return F.dropout(x, self.config.dropout, self.training)
