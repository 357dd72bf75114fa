"""Zero-shot answers: likelihoods by hand, the prior taken away, inputs that fit."""

from __future__ import annotations

import pytest
import torch

from gptmill.evaluation.zero_shot import GAP, options, zero_shot
from gptmill.models import build_model
from gptmill.tasks.examples import Dataset, Example


def encode(text: str) -> list[int]:
    return [1 + ord(char) % 50 for char in text]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model("gpt1", vocab_size=60, block_size=24, n_layer=1, n_head=2, n_embd=16).eval()


def log_p(model, prompt: list[int], option: list[int]) -> float:
    ids = [0, *prompt, *option]
    with torch.no_grad():
        logits = torch.log_softmax(model(torch.tensor([ids[:-1]]))[0], 1)
    return sum(float(logits[place - 1, ids[place]]) for place in range(len(ids) - len(option), len(ids)))


def dataset(form, labels, *texts: tuple[str, ...]) -> Dataset:
    examples = [Example(str(i), one, labels[i % len(labels)]) for i, one in enumerate(texts)]
    return Dataset(form, labels, dict.fromkeys(("train", "dev", "test"), examples))


def test_the_likeliest_label_by_hand(model) -> None:
    labels = ["no", "yes", "maybe so"]
    data = dataset("entailment", labels, *[(f"premise {i}", f"h {i * i}") for i in range(12)])
    found = zero_shot(data, model, encode, 0, limit=100, batch_size=5)
    plain = corrected = 0
    for example in data.splits["test"]:
        ours = options(data, example, encode, 24)
        given = [log_p(model, *one) for one in ours]
        alone = [log_p(model, encode(GAP), option) for _, option in ours]
        right = labels.index(example.label)
        plain += given.index(max(given)) == right
        gains = [a - b for a, b in zip(given, alone, strict=True)]
        corrected += gains.index(max(gains)) == right
    assert (found["likelihood_accuracy"], found["accuracy"]) == (plain / 12, corrected / 12)
    assert found["baseline"] == pytest.approx(1 / 3)
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert zero_shot(data, model, encode, 0, limit=5, batch_size=5)["examples"] == 5


def test_answers_follow_context_and_question_and_all_fit() -> None:
    data = dataset("multiple_choice", ["A", "B"], ("context", "why?", "one", "two " * 30))
    (short, first), (long, second) = options(data, data.splits["test"][0], encode, 24)
    assert short == encode("context why?" + GAP)
    assert first == encode("one")
    assert len(long) + len(second) == 24
    assert long[-2:] == encode(GAP)
    assert second == encode("two " * 30)[: len(second)]


def test_numbers_have_no_options(model) -> None:
    data = dataset("regression", ["1.0"], ("a", "b"))
    assert zero_shot(data, model, encode, 0, limit=5, batch_size=5) is None
