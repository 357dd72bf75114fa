"""Which tokens a model holds for alike: neighbours of a word, and analogies between words."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gptmill.errors import UserError
from gptmill.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Near:
    """Tokens near a vector, with the cosine of the angle; `words` are the tokens of each word asked for."""

    asked: str
    words: list[list[int]]
    found: list[tuple[int, float]]


class Space:
    """The rows of a token embedding as directions; bytes and special tokens are never found."""

    def __init__(self, embedding: Tensor, tokenizer: Tokenizer) -> None:
        self.directions = F.normalize(embedding.detach().float().cpu(), dim=1)
        self.tokenizer = tokenizer
        self.others = [i for i, (_, score) in enumerate(tokenizer.scored_pieces()) if score is None]

    def tokens_of(self, word: str) -> list[int]:
        """The tokens of a word as it stands within a sentence, after a space, unless it is one without."""
        inside, alone = self.tokenizer.encode(f" {word}"), self.tokenizer.encode(word)
        return alone if len(alone) < len(inside) else inside

    def neighbours(self, asked: str, ids: list[int], count: int) -> Near:
        """The tokens nearest to the mean of `ids`."""
        return Near(asked, [ids], self._nearest(self._direction(ids), ids, count))

    def analogy(self, expression: str, count: int) -> Near:
        """What is nearest to a sum such as `king - man + woman`, its own words left out (Mikolov et al. 2013).

        Raises:
            UserError: when that is no sum of words.
        """
        parts = re.fullmatch(r"\s*\S+(\s+[-−+]\s+\S+)+\s*", expression)
        if parts is None:
            raise UserError(
                f'"{expression}" is no analogy; write words with + and - between them, spaces around each, '
                'such as "king - man + woman"'
            )
        first, *rest = expression.split()
        signs, words = ["+", *rest[::2]], [first, *rest[1::2]]
        ids = [self.tokens_of(word) for word in words]
        total = torch.zeros(self.directions.shape[1])
        for sign, own in zip(signs, ids, strict=True):
            total += self._direction(own) * (1 if sign == "+" else -1)
        return Near(expression, ids, self._nearest(total, [i for own in ids for i in own], count))

    def _direction(self, ids: list[int]) -> Tensor:
        return F.normalize(self.directions[ids].mean(0), dim=0)

    def _nearest(self, vector: Tensor, without: list[int], count: int) -> list[tuple[int, float]]:
        cosines = self.directions @ F.normalize(vector, dim=0)
        cosines[[*self.others, *without]] = -2.0
        values, ids = cosines.topk(min(count, int((cosines > -2).sum())))
        return list(zip(ids.tolist(), values.tolist(), strict=True))
