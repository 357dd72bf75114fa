"""What a model sees while text grows: a cache that is filled, and begun again when its positions run out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gptmill.models.language_model import LanguageModel


class Window:
    """The tokens of several rows of text, all at the same position, that a model has in its cache."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.device = model.token_embedding.weight.device
        self.cache = model.new_cache()
        self.read_to = 0  # of each row's tokens
        self.first = 0  # the token at position 0

    def read(self, rows: Sequence[Sequence[int]], end: int) -> Tensor:
        """Read what is unread of each row's first `end` tokens; scores `(B, V)` of the token after them.

        When that is more than `block_size` tokens, the second half of the window is read again from the start.
        """
        block_size = self.model.config.block_size
        if end - self.first > block_size:
            self.first = self.read_to = end - max(1, block_size // 2)
            self.cache = self.model.new_cache()
        tokens = torch.tensor([ids[self.read_to : end] for ids in rows], device=self.device)
        self.read_to = end
        return self.model.logits(self.model.hidden(tokens, self.cache)[:, -1])

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows, in this order; one may stand there twice."""
        if rows:
            self.cache.reorder(torch.tensor(rows, device=self.device))
