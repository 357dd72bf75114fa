"""A pretrained GPT with three more tokens and a linear head that reads the state at the extract token.

Radford et al. 2018, sections 3.2 and 3.3. The new tokens are rows of the embedding, learned in
fine-tuning. It works on every preset, for all that it asks of a model is what each of them has.

BERT reads in both directions: its head reads the state at the first token (Devlin et al. 2018, section 3.2),
padding is hidden from it, the second text of a pair has token type 1, and there is no auxiliary loss, for
the next token is in plain sight.

Shapes: B examples, K sequences an example (answers, or the two orders), T time, C width of the states.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from gptmill.models.bert import BERT
from gptmill.models.language_model import LanguageModel
from gptmill.tasks.examples import Form
from gptmill.tasks.inputs import Special


class TaskModel(nn.Module):
    """Scores of a task's examples.

    Args:
        gpt: the pretrained model; it becomes part of this one and grows by three tokens.
        n_outputs: labels of the task; 1 for multiple choice (each answer gets a score) and regression.
        dropout: on the states before the head. As in the paper's published code, the answers of one
            example share the mask.
    """

    def __init__(self, gpt: LanguageModel, form: Form, n_outputs: int, dropout: float) -> None:
        super().__init__()
        self.gpt, self.form, self.dropout = gpt, form, dropout
        self.vocab_size = gpt.config.vocab_size
        first = gpt.token_embedding.num_embeddings
        self.special = Special(first, first + 1, first + 2)
        _grow(gpt, 3)
        self.head = nn.Linear(gpt.token_embedding.embedding_dim, n_outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor, ends: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Scores and the states `(B · K, T, C)` they come from.

        Args:
            tokens: `(B · K, T)` ids, an example's sequences after each other, padded on the right.
            ends: `(B · K,)` positions of the extract token.
            k: K, sequences an example.

        Returns:
            `(B, labels)` scores; `(B, K)` for multiple choice; `(B, 1)` for regression.
        """
        if isinstance(self.gpt, BERT):
            hidden = self._both_ways(self.gpt, tokens, ends)
            states = hidden[:, 0]
        else:
            hidden = self.gpt.hidden(tokens)
            states = hidden[torch.arange(len(ends), device=ends.device), ends]
        states = states.view(-1, k, states.shape[-1])
        if self.form != "multiple_choice":
            states = states.sum(dim=1, keepdim=True)  # similarity: both orders are added
        mask = F.dropout(torch.ones_like(states[:, :1]), self.dropout, self.training)
        scores = self.head(states * mask)
        return scores.squeeze(2 if self.form == "multiple_choice" else 1), hidden

    def loss(self, tokens: Tensor, ends: Tensor, k: int, targets: Tensor, lm_weight: float) -> Tensor:
        """The task's loss plus `lm_weight` times that of the texts' tokens, both means (nats; squares).

        A model that is not causal has the task's loss alone.

        Args:
            targets: `(B,)` indices of labels, or numbers for regression.
        """
        scores, hidden = self(tokens, ends, k)
        is_number = self.form == "regression"
        loss = F.mse_loss(scores[:, 0], targets) if is_number else F.cross_entropy(scores, targets)
        if lm_weight and self.gpt.causal:
            loss = loss + lm_weight * self._lm_loss(tokens, hidden)
        return loss

    def _both_ways(self, bert: BERT, tokens: Tensor, ends: Tensor) -> Tensor:
        padding = torch.arange(tokens.shape[1], device=tokens.device) > ends[:, None]
        delimiters = tokens == self.special.delimiter
        second = delimiters.cumsum(dim=1) - delimiters.long()  # the delimiter is the first text's last token
        return bert.hidden(tokens, documents=padding, types=second)

    def _lm_loss(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """Cross-entropy of all tokens of text, given those before them; special tokens are no targets."""
        targets = tokens[:, 1:]
        is_text = targets < self.vocab_size
        # Only states that have a target go through the vocabulary: padding would cost as much as text.
        return self.gpt.cross_entropy(hidden[:, :-1][is_text][None], targets[is_text][None])


def _grow(gpt: LanguageModel, n: int) -> None:
    """Append `n` rows from N(0, 0.02) to the token embedding."""
    old = gpt.token_embedding
    new = nn.Embedding(old.num_embeddings + n, old.embedding_dim)
    with torch.no_grad():
        new.weight[: old.num_embeddings] = old.weight
        nn.init.normal_(new.weight[old.num_embeddings :], std=0.02)
    gpt.token_embedding = new
