"""The learning rate's course, and what decays."""

from __future__ import annotations

import pytest
import torch
import transformers

from gptmill.models import build_model
from gptmill.training.optimizer import adamw, warmup_cosine, warmup_linear, warmup_stable_decay


def test_cosine_equals_the_reference_after_the_warmup() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    reference = transformers.get_cosine_schedule_with_warmup(optimizer, 5, 40)
    for step in range(40):
        if step >= 5:
            ours = warmup_cosine(step, warmup_steps=5, max_steps=40, floor=0.0)
            assert ours == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_warmup_rises_from_above_zero_to_one() -> None:
    factors = [warmup_cosine(step, warmup_steps=4, max_steps=40, floor=0.1) for step in range(41)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[-1] == pytest.approx(0.1)
    assert factors[4:] == sorted(factors[4:], reverse=True)


def test_linear_ends_at_zero() -> None:
    factors = [warmup_linear(step, warmup_steps=2, max_steps=10) for step in range(11)]
    assert factors[2] == 1.0
    assert factors[6] == pytest.approx(0.5)
    assert factors[10] == 0.0


def test_only_matrices_decay() -> None:
    model = build_model("gpt1", vocab_size=20, block_size=8, n_layer=1, n_head=1, n_embd=8)
    groups = adamw(model, learning_rate=1.0, weight_decay=0.1, beta1=0.9, beta2=0.99).param_groups
    assert all(p.ndim == 2 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])
    assert (groups[0]["weight_decay"], groups[1]["weight_decay"]) == (0.1, 0.0)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_warm_up_stable_decay() -> None:
    course = [
        warmup_stable_decay(step, warmup_steps=4, max_steps=40, cooldown_fraction=0.5, floor=0.0)
        for step in range(41)
    ]
    assert course[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert course[4:21] == [1.0] * 17
    assert course[30] == pytest.approx(0.5)
    assert course[40] == 0.0
