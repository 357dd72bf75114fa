"""From an example's texts to the token sequences that the model reads: figure 1 of the GPT-1 paper.

    classification     start text extract
    entailment         start premise delimiter hypothesis extract
    similarity         start first delimiter second extract, and the same with the two exchanged
    multiple choice    start context question delimiter answer extract, once for each answer
    regression         as similarity; as classification where there is one text

A sequence that is too long loses tokens at the end of its longest text, one by one, until it fits; the
special tokens always stay. So a long context is cut before a short question, and a short hypothesis
stays whole beside a long premise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gptmill.errors import UserError
from gptmill.tasks.examples import Form

Ids = list[int]


@dataclass(frozen=True)
class Special:
    """Ids of the tokens that fine-tuning adds."""

    start: int
    delimiter: int
    extract: int


def sequences(form: Form, texts: list[Ids], special: Special, max_tokens: int) -> list[Ids]:
    """The token sequences of one example, of at most `max_tokens` each.

    Args:
        texts: the tokens of each of the example's texts, in the order that `Example` states.
    """
    match form:
        case "classification":
            orders = [[texts]]
        case "entailment":
            orders = [[[texts[0]], [texts[1]]]]
        case "similarity" | "regression" if len(texts) == 2:
            orders = [[[texts[0]], [texts[1]]], [[texts[1]], [texts[0]]]]
        case "regression":
            orders = [[texts]]
        case "multiple_choice":
            context, question, *answers = texts
            orders = [[[context, question], [answer]] for answer in answers]
        case _:
            raise ValueError(f"{form} with {len(texts)} texts")
    return [_sequence(parts, special, max_tokens) for parts in orders]


def _sequence(parts: list[list[Ids]], special: Special, max_tokens: int) -> Ids:
    """`start`, the parts with `delimiter` between them, `extract`; a part is texts that follow each other."""
    flat = [text for part in parts for text in part]
    kept = iter(shortened([len(text) for text in flat], max_tokens - len(parts) - 1))
    joined: Ids = [special.start]
    for number, part in enumerate(parts):
        joined += [special.delimiter] if number else []
        for text in part:
            joined += text[: next(kept)]
    return [*joined, special.extract]


def shortened(lengths: list[int], budget: int) -> list[int]:
    """How much of each length is kept if the longest loses one at a time (of equals the last) until all fit.

    Raises:
        UserError: when there is no room at all.
    """
    if budget < 1:
        raise UserError("max_tokens leaves no room for text beside the special tokens; 8 are always enough")
    if sum(lengths) <= budget:
        return lengths
    level = 0  # the greatest length to which all can be cut and fit
    while sum(min(length, level + 1) for length in lengths) <= budget:
        level += 1
    kept = [min(length, level) for length in lengths]
    for i, length in enumerate(lengths):
        if length > level and sum(kept) < budget:
            kept[i] += 1
    return kept


def pack(rows: list[Ids], special: Special) -> tuple[Tensor, Tensor]:
    """Sequences padded on the right: tokens `(rows, time)`, and ends `(rows,)`: where `extract` stands.

    The padding repeats `extract`; the causal mask hides it from the text, for BERT a mask of its own.
    """
    width = max(map(len, rows))
    tokens = torch.tensor([row + [special.extract] * (width - len(row)) for row in rows])
    return tokens, torch.tensor([len(row) - 1 for row in rows])
