"""Tasks without training: the answer is the one that the model finds likeliest where it would stand.

The templates are made of what separates paragraphs in a document:

    classification     text ¶ label
    entailment         premise ¶ hypothesis ¶ label
    similarity         first ¶ second ¶ label
    multiple choice    context question ¶ answer

with ¶ for a blank line, the labels by their names. Two figures: `likelihood_accuracy` takes the option of the
highest likelihood; `accuracy` takes the one whose likelihood grows most by what stands before it,
log p(option | texts) - log p(option | ¶), so that neither a common label nor a short answer wins by being
so (Brown et al. 2020, section 2.4). An input that is too long loses tokens at the end of its longest text, as
in fine-tuning. Regression has no options, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gptmill.evaluation import statistics
from gptmill.evaluation.sliding import IGNORED, scored
from gptmill.evaluation.statistics import Array
from gptmill.models.language_model import LanguageModel
from gptmill.tasks.examples import Dataset, Example, sample
from gptmill.tasks.inputs import shortened
from gptmill.tasks.scores import baseline_answers, truth

Ids = list[int]
Encode = Callable[[str], Ids]
GAP = "\n\n"


def zero_shot(
    data: Dataset, model: LanguageModel, encode: Encode, eos_id: int, *, limit: int, batch_size: int
) -> dict[str, Any] | None:
    """Accuracies on at most `limit` examples of test, the interval, and the majority baseline on the same.

    None for regression.
    """
    if data.form == "regression":
        return None
    data = replace(data, splits=data.splits | {"test": sample(data.splits["test"], limit)})
    given, alone = [], []
    for example in data.splits["test"]:
        for prompt, option in options(data, example, encode, model.config.block_size):
            given.append(pair([eos_id, *prompt], option))
            alone.append(pair([eos_id, *encode(GAP)], option))
    count = len(given) // len(data.splits["test"])
    likelihood = -scored(model, given, batch_size).reshape(-1, count)
    gain = likelihood + _once(model, alone, batch_size).reshape(-1, count)
    true, answers = truth(data, "test"), gain.argmax(axis=1)
    low, high = statistics.interval(statistics.accuracy(true, answers), len(true))
    return {
        "examples": len(true),
        "accuracy": float(np.mean(true == answers)),
        "low": low,
        "high": high,
        "likelihood_accuracy": float(np.mean(true == likelihood.argmax(axis=1))),
        "baseline": float(np.mean(true == baseline_answers(data, "test"))),
    }


def options(data: Dataset, example: Example, encode: Encode, block_size: int) -> list[tuple[Ids, Ids]]:
    """The prompt and the continuation for each option, of at most `block_size` tokens together."""
    gap = encode(GAP)
    if data.form == "multiple_choice":
        context, question, *answers = example.texts
        texts = [" ".join(part for part in (context, question) if part)]
    else:
        texts, answers = list(example.texts), data.labels
    encoded = [encode(text) for text in texts]
    found = []
    for answer in answers:
        option = encode(answer)
        room = block_size - len(gap) * len(texts)  # an end-of-text token first, the last token isn't read
        kept = shortened([*map(len, encoded), len(option)], room)
        prompt = [token for ids, n in zip(encoded, kept, strict=False) for token in (*ids[:n], *gap)]
        found.append((prompt, option[: kept[-1]]))
    return found


def pair(prompt: Ids, option: Ids) -> tuple[Array, Array]:
    """Inputs and targets of which only the option's tokens count."""
    ids = np.array([*prompt, *option], dtype=np.int64)
    targets = ids[1:].copy()
    targets[: len(prompt) - 1] = IGNORED
    return ids[:-1], targets


def _once(model: LanguageModel, pairs: Sequence[tuple[Array, Array]], batch_size: int) -> Array:
    """`scored`, each distinct input read once: labels are the same for every example."""
    place: dict[bytes, int] = {}
    distinct: list[tuple[Array, Array]] = []
    for inputs, targets in pairs:
        if (key := inputs.tobytes() + targets.tobytes()) not in place:
            place[key] = len(distinct)
            distinct.append((inputs, targets))
    nats = scored(model, distinct, batch_size)
    return nats[[place[inputs.tobytes() + targets.tobytes()] for inputs, targets in pairs]]
