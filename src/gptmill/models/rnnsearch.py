"""RNNsearch: a decoder that looks for its next word in the source (Bahdanau, Cho & Bengio 2014).

Letters are the paper's: h the encoder's states (annotations), s the decoder's, c the context, y the target.
One thing differs: torch's GRU, which encodes, applies the reset gate after the recurrent product and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gptmill.models.encoder_decoder import PAD, EncoderDecoder, State


@dataclass(frozen=True)
class RNNSearchConfig:
    """`n_embd` is the width of embeddings, states, alignment model and maxout layer."""

    vocab_size: int
    n_embd: int
    dropout: float = 0.0


class RNNSearch(EncoderDecoder):
    """A bidirectional GRU, additive attention, a GRU decoder and a maxout readout (appendix A)."""

    def __init__(self, config: RNNSearchConfig) -> None:
        super().__init__()
        self.config, width = config, config.n_embd
        self.embed_source = nn.Embedding(config.vocab_size, width)
        self.embed_target = nn.Embedding(config.vocab_size, width)
        self.encoder = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.start = nn.Linear(width, width)  # W_s
        # a(s, h) = v · tanh(W s + U h)
        self.align_s = nn.Linear(width, width, bias=False)
        self.align_h = nn.Linear(2 * width, width)
        self.align_v = nn.Linear(width, 1, bias=False)
        # The decoder's GRU: update and reset gate and candidate, from y, c and s.
        self.from_y = nn.Linear(width, 3 * width)
        self.from_c = nn.Linear(2 * width, 3 * width, bias=False)
        self.gates_s = nn.Linear(width, 2 * width, bias=False)
        self.candidate_s = nn.Linear(width, width, bias=False)
        self.readout = nn.Linear(4 * width, 2 * width)  # of s, y and c
        self.head = nn.Linear(width, config.vocab_size)
        self._initialise()

    def _initialise(self) -> None:
        """The recurrent matrices and the alignment as in appendix B.1; the rest as wide as torch makes it.

        The paper draws those from N(0, 0.01²), for a width of 1,000: at a tenth of that, hardly a signal is left.
        """
        width = self.config.n_embd
        encoder: Any = self.encoder
        recurrent = (encoder.weight_hh_l0, encoder.weight_hh_l0_reverse)
        for matrix in (*recurrent, self.gates_s.weight, self.candidate_s.weight):
            for square in matrix.data.split(width):
                nn.init.orthogonal_(square)
        nn.init.normal_(self.align_s.weight, std=0.001)
        nn.init.normal_(self.align_h.weight, std=0.001)
        nn.init.zeros_(self.align_v.weight)

    def encode(self, source: Tensor, source_mask: Tensor) -> State:
        x = self._drop(self.embed_source(source))
        lengths = source_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, last = self.encoder(packed)
        h, _ = pad_packed_sequence(packed, batch_first=True, total_length=source.shape[1])
        # The backward states at the first word have seen the whole source.
        return {"s": self.start(last[1]).tanh(), "h": h, "u": self.align_h(h), "mask": source_mask}

    def decode(self, target: Tensor, state: State) -> Tensor:
        return self._decode(target, state)[0]

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state, _ = self._decode(tokens[:, None], state)
        return logits[:, 0], state

    def align(self, source: Tensor, target: Tensor) -> Tensor:
        return self._decode(target, self.encode(source, source != PAD))[2]

    def _decode(self, target: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """Logits `(B, T, V)`, the state at the end, weights `(B, T, S)`."""
        y = self._drop(self.embed_target(target))
        s, hidden = state["s"], ~state["mask"]
        states, contexts, looks = [], [], []
        for gates in self.from_y(y).unbind(1):
            energy = self.align_v((self.align_s(s)[:, None] + state["u"]).tanh())[..., 0]
            weights = energy.masked_fill(hidden, float("-inf")).softmax(dim=1)
            c = (weights[:, None] @ state["h"])[:, 0]
            s = self._next(s, gates + self.from_c(c))
            states.append(s)
            contexts.append(c)
            looks.append(weights)
        joined = torch.cat((torch.stack(states, 1), y, torch.stack(contexts, 1)), dim=2)
        maxout = self.readout(joined).unflatten(2, (-1, 2)).amax(dim=3)
        return self.head(self._drop(maxout)), {**state, "s": s}, torch.stack(looks, 1)

    def _next(self, s: Tensor, given: Tensor) -> Tensor:
        """The decoder's state after s, with what y and c contribute `(B, 3 C)` (A.1.1)."""
        width = s.shape[1]
        z, r = (given[:, : 2 * width] + self.gates_s(s)).sigmoid().chunk(2, dim=1)
        candidate = (given[:, 2 * width :] + self.candidate_s(r * s)).tanh()
        return torch.lerp(s, candidate, z)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.dropout, self.training)
