"""Prompts as text in, their continuations as text out: at once or as they come, up to a stop string."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel
    from gptmill.tokens.tokenizer import Tokenizer


def complete(model: LanguageModel, tokenizer: Tokenizer, prompts: Sequence[str], **options: Any) -> list[str]:
    """What follows each prompt, up to the first of the strings in `stop`, which is left out.

    Args:
        options: those of `complete_ids`.

    Raises:
        UserError: for a setting out of range, or a prompt longer than the model's context.
    """
    return complete_ids(model, tokenizer, [tokenizer.encode(prompt) for prompt in prompts], **options)


def complete_ids(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    stop: Sequence[str] = (),
    beams: int = 1,
    **options: Any,
) -> list[str]:
    """`complete` for prompts that are token ids.

    Args:
        options: those of `models.generate.generate_batch`.
    """
    from gptmill.models.generate import generate_batch, stream

    _check_stop(stop)
    options["stop_id"] = tokenizer.eos_id
    if beams != 1 or not stop:
        found = generate_batch(model, prompts, beams=beams, **options)
    else:
        options.pop("length_penalty", None)
        found = [[] for _ in prompts]
        ended = lambda _, new: _cut(tokenizer.decode(new), stop)[1]  # noqa: E731
        for row, token in stream(model, prompts, ended=ended, **options):
            found[row].append(token)
    return [_cut(tokenizer.decode(new), stop)[0] for new in found]


def stream_text(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, *, stop: Sequence[str] = (), **options: Any
) -> Iterator[str]:
    """What follows the prompt, in pieces as they are certain: together they are what `complete` gives.

    A letter waits for its last byte, and what may be the beginning of a stop string for what follows it.

    Args:
        options: those of `models.generate.stream`.
    """
    from gptmill.models.generate import stream

    _check_stop(stop)
    new: list[int] = []
    shown = 0
    options["stop_id"] = tokenizer.eos_id
    for _, token in stream(model, [tokenizer.encode(prompt)], **options):
        new.append(token)
        text, over = _cut(tokenizer.decode(new), stop)
        certain = len(text) if over else len(text.rstrip("\ufffd")) - _beginning(text.rstrip("\ufffd"), stop)
        if certain > shown:
            yield text[shown:certain]
            shown = certain
        if over:
            return
    if rest := tokenizer.decode(new)[shown:]:
        yield rest


def _check_stop(stop: Sequence[str]) -> None:
    if isinstance(stop, str) or not all(stop):
        raise UserError(f"stop = {stop!r} is not possible; allowed: a list of strings, none of them empty")


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there is one."""
    places = [place for string in stop if (place := text.find(string)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _beginning(text: str, stop: Sequence[str]) -> int:
    """How many characters at the text's end may be the beginning of a stop string."""
    lengths = [n for string in stop for n in range(1, len(string)) if text.endswith(string[:n])]
    return max(lengths, default=0)
