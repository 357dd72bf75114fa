"""Beam search: the likeliest continuation that a few hypotheses at a time can find; nothing is drawn."""

from __future__ import annotations

import math

import torch

from gptmill.models.language_model import LanguageModel
from gptmill.models.sampling import check, penalise
from gptmill.models.window import Window


@torch.inference_mode()
def beam_search(
    model: LanguageModel,
    ids: list[int],
    *,
    beams: int,
    max_new_tokens: int,
    length_penalty: float = 1.0,
    repetition_penalty: float = 1.0,
    stop_id: int | None = None,
) -> list[int]:
    """New token ids that continue `ids`, `stop_id` left out.

    A finished text's score is the sum of its tokens' log-probabilities over their number (the end included)
    to the power of `length_penalty` (after Wu et al. 2016, section 7): above 0 favours longer texts. Search
    ends when `beams` texts have finished and the best open one, at its present length, is no better than the
    worst of them. That is transformers' `generate(num_beams=…)` with `early_stopping=False`.

    Raises:
        UserError: for a setting out of range.
    """
    check("length_penalty", length_penalty, math.isfinite(length_penalty), "any number")
    check("max_new_tokens", max_new_tokens, max_new_tokens >= 0, "0 or more")
    window = Window(model)
    open_texts, scores = [list(ids)], torch.zeros(1, 1)
    finished: list[tuple[float, list[int]]] = []
    for written in range(1, max_new_tokens + 1):
        chances = window.read(open_texts, len(ids) + written - 1).float().cpu().log_softmax(-1)
        if repetition_penalty != 1.0:
            chances = _penalised(chances, open_texts, repetition_penalty)
        # Twice as many as are kept: should every second one have ended, there are enough to go on with.
        values, places = (chances + scores).flatten().topk(2 * beams)
        going: list[tuple[float, int, int]] = []
        found = zip(values.tolist(), places.tolist(), strict=True)
        for rank, (value, place) in enumerate(found):
            parent, token = divmod(place, chances.shape[1])
            ends = token == stop_id or written == max_new_tokens
            if ends and rank < beams:
                text = [*open_texts[parent], token]
                finished.append((value / written**length_penalty, text[len(ids) :]))
            elif not ends and len(going) < beams:
                going.append((value, parent, token))
        finished = sorted(finished, key=lambda pair: -pair[0])[:beams]
        if not going or (len(finished) == beams and going[0][0] / written**length_penalty <= finished[-1][0]):
            break
        open_texts = [[*open_texts[parent], token] for _, parent, token in going]
        scores = torch.tensor([[value] for value, _, _ in going])
        window.keep([parent for _, parent, _ in going])
    best = finished[0][1] if finished else []
    return best[:-1] if best and best[-1] == stop_id else best


def _penalised(chances: torch.Tensor, texts: list[list[int]], penalty: float) -> torch.Tensor:
    seen = torch.zeros_like(chances, dtype=torch.bool)
    for row, text in zip(seen, texts, strict=True):
        row[text] = True
    return penalise(chances, seen, penalty)
