"""GPT-1's way to classify: a start token before the text, an extract token after it, a linear head there.

Radford et al. 2018, sections 3.2 and 3.3. The two tokens are new rows of the embedding, learned in
fine-tuning. The auxiliary language-model loss is over the text between them.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from gptmill.models import build_model, copy_weights
from gptmill.models.config import ModelConfig
from gptmill.models.cross_entropy import IGNORED
from gptmill.models.language_model import LanguageModel


class Classifier(nn.Module):
    """A pretrained GPT with two more tokens and a head over `n_labels` classes."""

    def __init__(self, config: ModelConfig, n_labels: int, dropout: float) -> None:
        super().__init__()
        self.start_id, self.extract_id = config.vocab_size, config.vocab_size + 1
        self.gpt = build_model(**asdict(replace(config, vocab_size=config.vocab_size + 2)))
        self.head = nn.Linear(config.n_embd, n_labels)
        self.dropout = dropout
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def load_pretrained(self, gpt: LanguageModel) -> None:
        """Take over all weights; the rows of the two new tokens stay random."""
        copy_weights(gpt, self.gpt)

    def forward(self, tokens: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Class scores `(batch, n_labels)` and hidden states `(batch, time, n_embd)`.

        Args:
            tokens: `(batch, time)` ids, padded on the right: the causal mask hides padding from the text.
            ends: `(batch,)` positions of the extract token.
        """
        hidden = self.gpt.hidden(tokens)
        state = hidden[torch.arange(len(ends), device=ends.device), ends]
        return self.head(F.dropout(state, self.dropout, self.training)), hidden

    def loss(self, tokens: Tensor, ends: Tensor, labels: Tensor, lm_weight: float) -> Tensor:
        """Cross-entropy of the labels plus `lm_weight` times that of the text's tokens, both means in nats."""
        scores, hidden = self(tokens, ends)
        loss = F.cross_entropy(scores, labels)
        if lm_weight:
            positions = torch.arange(tokens.shape[1] - 1, device=tokens.device)
            # The target of position i is token i + 1, as long as that is text: before the extract token.
            targets = tokens[:, 1:].masked_fill(positions + 1 >= ends[:, None], IGNORED)
            loss = loss + lm_weight * self.gpt.cross_entropy(hidden[:, :-1], targets)
        return loss


def pack(texts: list[list[int]], start_id: int, extract_id: int, max_tokens: int) -> tuple[Tensor, Tensor]:
    """`start text extract` for each text, padded with the extract token: tokens `(batch, time)`, ends `(batch,)`.

    A text too long loses its end, never a special token.
    """
    rows = [[start_id, *text[: max_tokens - 2], extract_id] for text in texts]
    width = max(map(len, rows))
    tokens = torch.tensor([row + [extract_id] * (width - len(row)) for row in rows])
    return tokens, torch.tensor([len(row) - 1 for row in rows])
