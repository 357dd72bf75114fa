"""What may be drawn is what transformers' processors leave over; settings out of range are messages."""

from __future__ import annotations

import pytest
import torch

from gptmill.errors import UserError
from gptmill.models.sampling import Sampling, candidates, choose, penalise

SCORES = torch.randn(5, 60, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7, "top_k": 0},
        {"temperature": 1.3, "top_k": 7},
        {"temperature": 0.9, "top_k": 0, "top_p": 0.8},
        {"temperature": 1.0, "top_k": 12, "top_p": 0.6, "min_p": 0.2},
        {"temperature": 2.0, "top_k": 0, "min_p": 0.3},
        {"temperature": 1.0, "top_k": 0, "top_p": 1e-6},
        {"temperature": 1.0, "top_k": 500, "min_p": 1.0},
    ],
)
def test_candidates_are_those_of_transformers_warpers(settings: dict[str, float]) -> None:
    warpers = pytest.importorskip("transformers.generation.logits_process")
    expected = SCORES
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    for warper, value, off in (
        (warpers.TemperatureLogitsWarper, sampling.temperature, None),
        (warpers.TopKLogitsWarper, sampling.top_k, 0),
        (warpers.TopPLogitsWarper, sampling.top_p, 1.0),
        (warpers.MinPLogitsWarper, sampling.min_p, 0.0),
    ):
        if value != off:
            expected = warper(value)(None, expected)
    values, ids = candidates(SCORES, sampling)
    found = torch.full_like(SCORES, -torch.inf).scatter(1, ids, values)
    torch.testing.assert_close(found, expected)


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    processors = pytest.importorskip("transformers.generation.logits_process")
    ids = torch.randint(0, 60, (5, 9), generator=torch.Generator().manual_seed(1))
    seen = torch.zeros(5, 60, dtype=torch.bool).scatter(1, ids, True)
    expected = processors.RepetitionPenaltyLogitsProcessor(1.7)(ids, SCORES.clone())
    torch.testing.assert_close(penalise(SCORES, seen, 1.7), expected)


def test_draws_follow_the_distribution() -> None:
    row = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    own = torch.Generator().manual_seed(0)
    sampling = Sampling(temperature=1.5, top_k=3)
    drawn = torch.tensor([choose(row, sampling, [own])[0] for _ in range(3000)])
    shares = torch.bincount(drawn, minlength=4) / 3000
    expected = torch.cat([(row[0, :3] / 1.5).softmax(0), torch.zeros(1)])
    assert (shares - expected).abs().max() < 0.03


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"min_p": float("nan")},
        {"repetition_penalty": 0.0},
    ],
)
def test_a_setting_out_of_range_is_a_message(setting: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(setting))} = .* is not possible; allowed: "):
        Sampling(**setting)  # type: ignore[arg-type]
