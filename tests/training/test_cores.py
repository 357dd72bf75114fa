"""Cores that share a batch give what one would, and the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from gptmill.models import build_model
from gptmill.params.pretrain import Pretrain
from gptmill.training.cores import Cores, cores_of
from gptmill.training.step import train_step


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def step(preset: str, batch: Tensor, **options: Any) -> tuple[float, float, list[Tensor]]:
    torch.manual_seed(0)
    model = build_model(preset, vocab_size=50, block_size=16, n_layer=2, n_head=2, n_embd=16)
    optimizer = torch.optim.SGD([{"params": list(model.parameters()), "initial_lr": 0.1}], lr=0.1)
    loss, norm = train_step(model, optimizer, batch, learning_rate_factor=1.0, grad_clip=1.0, **options)
    return float(loss), float(norm), [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("preset", ["gpt2", "modern", "lstm"])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_shares_sum_up_to_the_batch(preset: str, micro_batch_size: int | None) -> None:
    batch = torch.randint(2, 50, (7, 17))  # shares of 4 and 3 rows
    options: dict[str, Any] = {"micro_batch_size": micro_batch_size}
    if preset != "lstm":
        options["mask_from_eos"] = 1
    alone = step(preset, batch, **options)
    cores = Cores(2)
    shared = [step(preset, batch, cores=cores, **options) for _ in range(3)]
    torch.testing.assert_close(shared[0], alone)
    for again in shared[1:]:
        assert again[:2] == shared[0][:2]
        assert all(torch.equal(a, b) for a, b in zip(again[2], shared[0][2], strict=True))
    assert torch.get_num_threads() == 2  # the workers' setting is theirs


def test_where_cores_share() -> None:
    def cores(**changes: Any) -> Cores | None:
        raw = {
            "model": {"preset": "modern", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16},
            "optimizer": {"weight_decay": 0.0, "beta1": 0.9, "beta2": 0.99, "grad_clip": 1.0},
            "batch_size": 8, "max_steps": 1, "eval_every": 1, "eval_tokens": 1, "log_every": 1,
            "accelerator": "cpu", "devices": 1, "precision": "fp32",
        }  # fmt: skip
        dropout = changes.pop("dropout", 0.0)
        raw["model"] |= {"dropout": dropout}  # type: ignore[operator]
        return cores_of(Pretrain.model_validate(raw | changes))

    assert (found := cores()) is not None
    assert found.count == 2
    assert cores(dropout=0.1) is None  # one generator, drawn from in whatever order
    assert cores(devices=2) is None
    assert cores(precision="bf16") is None
    assert cores(compile=True) is None
    assert cores(batch_size=1) is None
