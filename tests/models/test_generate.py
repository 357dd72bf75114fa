"""Generation: the cache changes nothing, seeds repeat, the window moves on."""

from __future__ import annotations

import pytest
import torch

from gptmill.models import build_model
from gptmill.models.generate import generate
from gptmill.models.gpt import GPT


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(3)
    model = build_model("gpt1", vocab_size=50, block_size=16, n_layer=2, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def test_greedy_equals_the_argmax_without_a_cache(model: GPT) -> None:
    ids = [4, 9, 2]
    new = generate(model, ids, max_new_tokens=13, temperature=0.0)
    seen = list(ids)
    for token in new:
        assert token == int(model(torch.tensor([seen]))[0, -1].argmax())
        seen.append(token)


def test_goes_on_when_positions_run_out(model: GPT) -> None:
    new = generate(model, list(range(14)), max_new_tokens=40, seed=1)
    assert len(new) == 40


def test_window_that_moved_is_read_from_position_zero(model: GPT) -> None:
    ids = list(range(1, 17))  # a full block: the first new token needs no move, the second does
    first, second = generate(model, ids, max_new_tokens=2, temperature=0.0)
    moved = [*ids, first][-8:]
    assert second == int(model(torch.tensor([moved]))[0, -1].argmax())


def test_seeds_repeat_and_differ(model: GPT) -> None:
    torch.manual_seed(1)
    first = generate(model, [1], max_new_tokens=12, temperature=1.0, seed=5)
    torch.manual_seed(2)  # draws elsewhere don't matter
    assert generate(model, [1], max_new_tokens=12, temperature=1.0, seed=5) == first
    assert generate(model, [1], max_new_tokens=12, temperature=1.0, seed=6) != first


def test_top_k_of_one_is_greedy(model: GPT) -> None:
    greedy = generate(model, [7], max_new_tokens=10, temperature=0.0)
    assert generate(model, [7], max_new_tokens=10, temperature=2.0, top_k=1) == greedy


def test_stops_at_the_stop_token(model: GPT) -> None:
    greedy = generate(model, [7], max_new_tokens=10, temperature=0.0)
    stop = greedy[4]
    assert (
        generate(model, [7], max_new_tokens=10, temperature=0.0, stop_id=stop) == greedy[: greedy.index(stop)]
    )


def test_an_empty_prompt_starts_a_document(model: GPT) -> None:
    assert generate(model, [], max_new_tokens=3, stop_id=1, temperature=0.0) == generate(
        model, [1], max_new_tokens=3, stop_id=1, temperature=0.0
    )
