"""Sequence to sequence with a fixed context vector (Sutskever, Vinyals & Le 2014).

A recurrent encoder reads the source backwards; its last states are all that the decoder gets to know of it.
Reversed, the first words of source and target are close, which the paper found to help much (section 3.3).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.models.encoder_decoder import EncoderDecoder, State, select

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class Seq2SeqConfig:
    """`n_embd` is the width of the embeddings and of each recurrent layer."""

    vocab_size: int
    n_layer: int
    n_embd: int
    cell: Literal["lstm", "gru"] = "lstm"
    reverse_source: bool = True
    dropout: float = 0.0


class Seq2Seq(EncoderDecoder):
    """Two stacks of recurrent layers, joined by the states of the first at the end of the source."""

    looks = False

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config, width = config, config.n_embd
        cell = CELLS[config.cell]
        between = config.dropout if config.n_layer > 1 else 0.0  # torch's own is between layers
        self.embed_source = nn.Embedding(config.vocab_size, width)
        self.embed_target = nn.Embedding(config.vocab_size, width)
        self.encoder = cell(width, width, config.n_layer, batch_first=True, dropout=between)
        self.decoder = cell(width, width, config.n_layer, batch_first=True, dropout=between)
        self.head = nn.Linear(width, config.vocab_size)
        for weights in self.parameters():
            nn.init.uniform_(weights, -0.08, 0.08)  # section 3.4

    def encode(self, source: Tensor, source_mask: Tensor) -> State:
        lengths = source_mask.sum(dim=1)
        order = lengths.argsort(descending=True, stable=True)
        source, lengths = source[order], lengths[order]
        if self.config.reverse_source:
            places = lengths[:, None] - 1 - torch.arange(source.shape[1], device=source.device)
            source = source.gather(1, places.clamp(min=0))  # what lies after a row's end isn't read
        state = self._read(self._drop(self.embed_source(source)), lengths)
        return select(state, order.argsort())

    def decode(self, target: Tensor, state: State) -> Tensor:
        return self._decode(target, state)[0]

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self._decode(tokens[:, None], state)
        return logits[:, 0], state

    def _read(self, x: Tensor, lengths: Tensor) -> State:
        """The states of each row of `x` `(B, S, C)`, from the longest to the shortest, at its own end.

        Rows of one length end together, and the longer ones read on without them. torch's packed sequences give the
        same, but on CPUs, where oneDNN has no kernel for them, take up to half as long again.
        """
        groups = sorted(Counter(lengths.tolist()).items())
        ends = [end for end, _ in groups]
        pieces = torch.split(x[:, : ends[-1]], [end - start for start, end in pairwise([0, *ends])], dim=1)
        state: State = {}
        ended: list[State] = []
        left = len(x)
        for piece, (_, count) in zip(pieces, groups, strict=True):
            state = _state(self.encoder(piece[:left], _hidden(state) if state else None)[1])
            left -= count
            ended.insert(0, {name: part[left:] for name, part in state.items()})
            state = {name: part[:left] for name, part in state.items()}
        return {name: torch.cat([one[name] for one in ended]) for name in state}

    def _decode(self, target: Tensor, state: State) -> tuple[Tensor, State]:
        y, hidden = self.decoder(self._drop(self.embed_target(target)), _hidden(state))
        return self.head(self._drop(y)), _state(hidden)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.dropout, self.training)


def _state(hidden: Tensor | tuple[Tensor, Tensor]) -> State:
    """torch's `(layers, B, C)`, two of them for an LSTM, with the batch first."""
    parts = hidden if isinstance(hidden, tuple) else (hidden,)
    return {name: part.transpose(0, 1) for name, part in zip("hc", parts, strict=False)}


def _hidden(state: State) -> Tensor | tuple[Tensor, ...]:
    parts = tuple(part.transpose(0, 1).contiguous() for part in state.values())
    return parts if len(parts) > 1 else parts[0]
