"""Continue prompts token by token with a key/value cache: one or many at once, at the end or as they come.

A model has learned from `block_size` tokens at a time and reads no more at once. A longer prompt is refused.
When text grows beyond, the second half of the window is read again from the start and generation goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from gptmill.errors import UserError
from gptmill.models.beam import beam_search
from gptmill.models.language_model import LanguageModel
from gptmill.models.layout import for_single_tokens
from gptmill.models.sampling import Sampling, check, choose, penalise
from gptmill.models.window import Window

Ended = Callable[[int, list[int]], bool]
WORTH_A_LAYOUT = 32  # tokens after which another layout of the weights has paid for itself


def generate(
    model: LanguageModel,
    ids: Sequence[int],
    *,
    max_new_tokens: int,
    seed: int = 0,
    stop_id: int | None = None,
    beams: int = 1,
    length_penalty: float = 1.0,
    **sampling: Any,
) -> list[int]:
    """New token ids that continue `ids`, at most `max_new_tokens` of them, `stop_id` left out.

    Args:
        beams: with more than one, the likeliest text that `beam.beam_search` finds; nothing is drawn, and of
            `sampling` only the repetition penalty counts.
        sampling: fields of `Sampling`. The draws come from a generator of their own, so the same arguments
            give the same text whatever else has drawn.

    Raises:
        UserError: for a setting out of range, or a prompt of more than `block_size` tokens.
    """
    return generate_batch(
        model,
        [ids],
        max_new_tokens=max_new_tokens,
        seed=seed,
        stop_id=stop_id,
        beams=beams,
        length_penalty=length_penalty,
        **sampling,
    )[0]


def generate_batch(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    seed: int = 0,
    stop_id: int | None = None,
    beams: int = 1,
    length_penalty: float = 1.0,
    **sampling: Any,
) -> list[list[int]]:
    """`generate` for many prompts at once: each one's draws are those that it would have alone.

    (A product of more rows may round otherwise in the last bit, so equal text is certain only up to ties.)
    """
    check("beams", beams, 1 <= beams <= model.config.vocab_size // 2, "from 1 to half the vocabulary")
    if beams > 1:
        penalty = Sampling(**sampling).repetition_penalty
        return [
            beam_search(
                model,
                start_of(model, ids, stop_id),
                beams=beams,
                max_new_tokens=max_new_tokens,
                length_penalty=length_penalty,
                repetition_penalty=penalty,
                stop_id=stop_id,
            )
            for ids in prompts
        ]
    new: list[list[int]] = [[] for _ in prompts]
    steps = stream(model, prompts, max_new_tokens=max_new_tokens, seed=seed, stop_id=stop_id, **sampling)
    for row, token in steps:
        new[row].append(token)
    return new


@dataclass
class _Row:
    """A prompt's number, its tokens, those written since among them, and its own draws."""

    number: int
    ids: list[int]
    prompt: int
    draws: torch.Generator


@torch.inference_mode()
def stream(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    seed: int = 0,
    stop_id: int | None = None,
    ended: Ended | None = None,
    **sampling: Any,
) -> Iterator[tuple[int, int]]:
    """Each new token as it is made: the number of its prompt, and the id.

    Prompts of several lengths go through the model without padding: all are read to the end of the shortest,
    and from there on the longer ones are given their own next token instead of a new one (as in
    meta-llama/llama's `generate`). So a token's position is the same whatever stands beside it.

    Args:
        ended: told a prompt's number and its new tokens after each of them; true ends this prompt.

    Raises:
        UserError: for a setting out of range, or a prompt of more than `block_size` tokens.
    """
    settings = Sampling(**sampling)
    check("max_new_tokens", max_new_tokens, max_new_tokens >= 0, "0 or more")
    check("seed", seed, 0 <= seed < 2**63, "from 0 to 2^63 - 1")
    rows = []
    for number, prompt in enumerate(prompts):
        ids = start_of(model, prompt, stop_id)
        rows.append(_Row(number, ids, len(ids), torch.Generator().manual_seed(int(seed))))
    with ExitStack() as stack:
        if max_new_tokens >= WORTH_A_LAYOUT:
            stack.enter_context(for_single_tokens(model))
        yield from _steps(Window(model), rows, settings, max_new_tokens, stop_id, ended)


def _steps(
    window: Window,
    rows: list[_Row],
    settings: Sampling,
    max_new_tokens: int,
    stop_id: int | None,
    ended: Ended | None,
) -> Iterator[tuple[int, int]]:
    seen = _seen([row.ids for row in rows], window.model.config.vocab_size)
    end = min((len(row.ids) for row in rows), default=0)
    while rows and max_new_tokens:
        scores = window.read([row.ids for row in rows], end).float().cpu()
        ready = [place for place, row in enumerate(rows) if len(row.ids) == end]
        if len(ready) < len(rows):
            scores = scores[ready]
        if settings.repetition_penalty != 1.0:
            scores = penalise(scores, seen[ready], settings.repetition_penalty)
        tokens = choose(scores, settings, [rows[place].draws for place in ready])
        over = set()
        for place, token in zip(ready, tokens, strict=True):
            row = rows[place]
            if token == stop_id:
                over.add(place)
                continue
            row.ids.append(token)
            seen[place, token] = True
            yield row.number, token
            written = row.ids[row.prompt :]
            if len(written) == max_new_tokens or (ended is not None and ended(row.number, written)):
                over.add(place)
        if over:
            left = [place for place in range(len(rows)) if place not in over]
            rows, seen = [rows[place] for place in left], seen[left]
            window.keep(left)
        end += 1


def start_of(model: LanguageModel, ids: Sequence[int], stop_id: int | None) -> list[int]:
    """What the model reads first: the prompt, or for an empty one the token between documents.

    Raises:
        UserError: for a prompt of more than `block_size` tokens.
    """
    if len(ids) > model.config.block_size:
        raise UserError(
            f"the prompt has {len(ids):,} tokens, and the model reads at most {model.config.block_size:,} "
            "(its block_size); shorten the prompt"
        )
    return list(ids) or [stop_id or 0]


def _seen(rows: list[list[int]], vocab_size: int) -> torch.Tensor:
    """Which tokens stand in each row: `(B, V)`."""
    seen = torch.zeros(len(rows), vocab_size, dtype=torch.bool)
    for place, ids in enumerate(rows):
        seen[place, ids] = True
    return seen
