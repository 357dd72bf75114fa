"""The one face of the encoder–decoders: read a source, then write a target one token at a time.

Shapes: B batch, S source tokens, T target tokens, C = n_embd, V = vocab_size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

# What decoding knows of each row so far, by name. Every tensor has the batch first, so that search can
# reorder, repeat and drop rows of all of them alike.
State = dict[str, Tensor]

# Source and target rows are filled up with this id. It is SentencePiece's <unk>, which no text gives: bytes
# stand in for characters outside the vocabulary.
PAD = 0


class EncoderDecoder(nn.Module, ABC):
    """A source `(B, S)` of ids, filled up with `PAD` at the end, into a target."""

    looks = True  # back at the source while it writes, so that there is something to align

    @abstractmethod
    def encode(self, source: Tensor, source_mask: Tensor) -> State:
        """What decoding starts from.

        Args:
            source_mask: `(B, S)`, true where `source` holds a token; the first of each row must.
        """

    @abstractmethod
    def decode(self, target: Tensor, state: State) -> Tensor:
        """Logits `(B, T, V)` of the token after each of `target` `(B, T)`, which begins with the end token."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits `(B, V)` of what follows `tokens` `(B,)`, and the state after them."""

    def align(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights `(B, T, S)`: where in the source the token after each of `target` is read from; rows sum to 1.

        Raises:
            TypeError: for a model that does not look.
        """
        raise TypeError(f"{type(self).__name__} has no attention")

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits `(B, T, V)`, the true target given up to each token."""
        return self.decode(target, self.encode(source, source != PAD))


def select(state: State, rows: Tensor) -> State:
    """The state of these rows of the batch, in this order; a row may be left out, or be there twice."""
    return {name: tensor[rows] for name, tensor in state.items()}
