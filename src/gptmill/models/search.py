"""Greedy and beam search for encoder–decoders, a batch of sources at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gptmill.models.encoder_decoder import PAD, EncoderDecoder, select


@torch.inference_mode()
def greedy(model: EncoderDecoder, source: Tensor, *, eos_id: int, max_new_tokens: int) -> list[list[int]]:
    """For each row of `source` `(B, S)` the likeliest token after the other, the end token left out."""
    state = model.encode(source, source != PAD)
    tokens = torch.full((len(source),), eos_id, device=source.device)
    written, ended = [], torch.zeros_like(tokens, dtype=torch.bool)
    for _ in range(max_new_tokens):
        logits, state = model.step(tokens, state)
        tokens = logits.argmax(dim=1)
        written.append(tokens)
        ended |= tokens == eos_id
        if ended.all():
            break
    rows: list[list[int]] = torch.stack(written, 1).tolist() if written else [[] for _ in source]
    return [row[: row.index(eos_id)] if eos_id in row else row for row in rows]


Hypothesis = tuple[float, list[int]]  # score, tokens


@dataclass
class _Row:
    """One source's search: hypotheses that go on, best first, and the best that have ended."""

    going: list[Hypothesis]
    parents: list[int] = field(default_factory=list)  # of those that go on, among those before them
    ended: list[Hypothesis] = field(default_factory=list)


@torch.inference_mode()
def beam_search(
    model: EncoderDecoder,
    source: Tensor,
    *,
    beams: int,
    eos_id: int,
    max_new_tokens: int,
    length_penalty: float = 1.0,
) -> list[list[int]]:
    """For each row of `source` `(B, S)` the best of the targets that `beams` hypotheses find.

    A target's score is the sum of its tokens' log-probabilities, the end's included, over their number to the
    power of `length_penalty` (after Wu et al. 2016, section 7): above 0 favours longer ones. The search of a row
    ends when `beams` targets have ended and the best open one, at its present length, is no better than the
    worst of them.
    """
    rows = [_Row([(0.0, [])]) for _ in source]
    searching = rows
    state = model.encode(source, source != PAD)
    tokens = torch.full((len(rows),), eos_id, device=source.device)
    for written in range(1, max_new_tokens + 1):
        logits, state = model.step(tokens, state)
        chances = logits.float().log_softmax(dim=1).cpu()
        kept: list[int] = []
        first = 0
        for row in searching:
            end = first + len(row.going)
            norm = written**length_penalty
            _extend(row, chances[first:end], beams, eos_id, norm, last=written == max_new_tokens)
            kept += [first + parent for parent in row.parents]
            first = end
        searching = [row for row in searching if row.going]
        if not searching:
            break
        state = select(state, torch.tensor(kept, device=source.device))
        last_tokens = [text[-1] for row in searching for _, text in row.going]
        tokens = torch.tensor(last_tokens, device=source.device)
    texts = [row.ended[0][1] if row.ended else [] for row in rows]
    return [text[:-1] if text and text[-1] == eos_id else text for text in texts]


def _extend(row: _Row, chances: Tensor, beams: int, eos_id: int, norm: float, last: bool) -> None:
    """Write one more token to a row's hypotheses, given `chances` `(hypotheses, V)`; nothing goes on at the end."""
    scores = torch.tensor([[score] for score, _ in row.going])
    totals = (chances + scores).flatten()
    # Twice as many as are kept: should every second one have ended, there are enough to go on with.
    values, places = totals.topk(min(2 * beams, len(totals)))
    before, row.going, row.parents = row.going, [], []
    for rank, (value, place) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
        parent, token = divmod(place, chances.shape[1])
        text = [*before[parent][1], token]
        if token == eos_id or last:
            if rank < beams:
                row.ended.append((value / norm, text))
        elif len(row.going) < beams:
            row.going.append((value, text))
            row.parents.append(parent)
    row.ended = sorted(row.ended, key=lambda pair: -pair[0])[:beams]
    if len(row.ended) == beams and row.going and row.going[0][0] / norm <= row.ended[-1][0]:
        row.going, row.parents = [], []
