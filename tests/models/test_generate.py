"""Generation: the cache changes nothing, seeds repeat, the window moves on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.models.generate import generate, generate_batch, stream
from gptmill.models.gpt import GPT
from gptmill.models.huggingface import export
from gptmill.models.language_model import LanguageModel
from gptmill.models.layout import for_single_tokens


def small(preset: str, block_size: int = 16) -> LanguageModel:
    torch.manual_seed(3)
    model = build_model(preset, vocab_size=50, block_size=block_size, n_layer=2, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return small("gpt1")


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


PROMPTS = [[4, 9, 2], [7], [3, 3, 8, 1, 0, 11], [4, 9, 2, 30, 31]]


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.9, "seed": 4}])
@pytest.mark.parametrize("preset", ["gpt1", "gpt3", "modern", "lstm"])
def test_a_batch_gives_each_prompt_what_it_gets_alone(preset: str, settings: dict[str, Any]) -> None:
    model = small(preset)
    options: dict[str, Any] = {"max_new_tokens": 24, "stop_id": 5, **settings}  # beyond the window of 16
    alone = [generate(model, ids, **options) for ids in PROMPTS]
    assert generate_batch(model, PROMPTS, **options) == alone
    assert settings["temperature"] == 0 or len({tuple(text) for text in alone}) == len(PROMPTS)


def test_tokens_come_one_by_one_and_a_prompt_can_be_ended(model: GPT) -> None:
    whole = generate(model, [7], max_new_tokens=10, temperature=0.0)
    steps = stream(model, [[7]], max_new_tokens=10, temperature=0.0)
    assert [next(steps), next(steps)] == [(0, whole[0]), (0, whole[1])]
    ended = stream(
        model,
        [[7], [4, 9]],
        max_new_tokens=10,
        temperature=0.0,
        ended=lambda row, new: row == 0 and len(new) == 3,
    )
    rows = [row for row, _ in ended]
    assert (rows.count(0), rows.count(1)) == (3, 10)


def test_a_repetition_penalty_keeps_text_from_repeating(model: GPT) -> None:
    new = generate(model, [7, 8], max_new_tokens=14, temperature=0.0, repetition_penalty=1e9)
    assert len({7, 8, *new}) == 16


def test_the_layout_for_single_tokens_changes_no_value(model: GPT) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with for_single_tokens(model):
        assert not model.blocks[0].expand.weight.is_contiguous()
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, before[name])
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_a_prompt_longer_than_the_context_is_a_message(model: GPT) -> None:
    assert len(generate(model, list(range(16)), max_new_tokens=2)) == 2
    with pytest.raises(UserError, match="the prompt has 17 tokens, and the model reads at most 16"):
        generate(model, list(range(17)), max_new_tokens=2)


@pytest.mark.parametrize(
    "setting",
    [
        {"beams": 0},
        {"beams": 26},
        {"beams": 2, "length_penalty": float("nan")},
        {"seed": -1},
        {"max_new_tokens": -1},
    ],
)
def test_a_setting_out_of_range_is_a_message(model: GPT, setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{list(setting)[-1]} = .* is not possible; allowed: "):
        generate(model, [1], **{"max_new_tokens": 3, **setting})


@pytest.mark.parametrize("preset", ["gpt1", "gpt2", "modern"])
def test_greedy_and_beams_are_those_of_transformers(preset: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = small(preset, block_size=32)
    export(model, tmp_path, eos_id=5)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    found = set()
    every_setting: list[dict[str, Any]] = [
        {},
        {"num_beams": 2},
        {"num_beams": 4, "length_penalty": 0.0},
        {"num_beams": 3, "length_penalty": 2.5, "repetition_penalty": 1.5},
        {"num_beams": 5, "length_penalty": -1.0},
    ]
    for ids, settings in [
        *((PROMPTS[0], setting) for setting in every_setting),
        *((ids, every_setting[3]) for ids in PROMPTS[1:]),
    ]:
        given = torch.tensor([ids])
        out = theirs.generate(
            given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=14,
            do_sample=False,
            eos_token_id=5,
            pad_token_id=5,
            **settings,
        )
        expected = out[0, len(ids) :].tolist()
        expected = expected[: expected.index(5)] if 5 in expected else expected
        ours = {"beams" if name == "num_beams" else name: value for name, value in settings.items()}
        assert generate(model, ids, max_new_tokens=14, stop_id=5, temperature=0.0, **ours) == expected, (
            settings
        )
        found.add(tuple(expected))
    assert len(found) > len(PROMPTS), "beams find what greedy search doesn't"


def test_beams_go_on_when_positions_run_out(model: GPT) -> None:
    assert len(generate(model, list(range(14)), max_new_tokens=12, beams=3)) == 12
