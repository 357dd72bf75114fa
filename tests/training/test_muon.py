"""Muon: orthogonal updates, equal to torch's where both can be had, and only for the layers' matrices."""

from __future__ import annotations

import pytest
import torch

from gptmill.models import build_model
from gptmill.training.muon import MuonAdamW, newton_schulz, orthogonal
from gptmill.training.optimizer import muon


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 48)])
def test_all_directions_become_about_as_long(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(newton_schulz(torch.randn(3, *shape)))
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_equals_torch_up_to_its_bf16() -> None:
    torch.manual_seed(0)
    start = torch.randn(24, 8)
    weights = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    reference = torch.optim.Muon([weights[0]], lr=0.02, momentum=0.9, weight_decay=0.1)
    group = {
        "params": [weights[1]],
        "lr": 0.02,
        "momentum": 0.9,
        "weight_decay": 0.1,
        "muon": True,
        "parts": 1,
    }
    ours = MuonAdamW([group], betas=(0.9, 0.99), eps=1e-8)
    for _ in range(5):
        grad = torch.randn(24, 8)
        for weight, optimizer in zip(weights, (reference, ours), strict=True):
            weight.grad = grad.clone()
            optimizer.step()
    moved = (weights[0] - start).norm()
    assert (weights[0] - weights[1]).norm() < 0.02 * moved


def test_other_weights_get_adamws_step() -> None:
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.ones(5)) for _ in range(2)]
    matrix = torch.nn.Parameter(torch.randn(4, 4))
    reference = torch.optim.AdamW([weights[0]], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    groups = [
        {"params": [matrix], "lr": 0.02, "momentum": 0.9, "weight_decay": 0.0, "muon": True, "parts": 1},
        {"params": [weights[1]], "lr": 0.01, "weight_decay": 0.1},
    ]
    ours = MuonAdamW(groups, betas=(0.9, 0.99), eps=1e-8)
    for _ in range(3):
        for weight in (*weights, matrix):
            weight.grad = torch.full_like(weight, 0.3)
        reference.step()
        ours.step()
    assert torch.equal(weights[0], weights[1])


def test_state_survives_saving() -> None:
    model = build_model("modern", vocab_size=20, block_size=8, n_layer=1, n_head=2, n_embd=8)
    rates = {"matrix_learning_rate": 0.1, "embedding_learning_rate": 0.1, "learning_rate": 0.1}
    first, second = (
        muon(model, **rates, momentum=0.9, weight_decay=0.1, beta1=0.9, beta2=0.99) for _ in range(2)
    )
    model.loss(torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64)).backward()
    first.step()
    second.load_state_dict(first.state_dict())
    for p in model.parameters():
        assert first.state[p].keys() == second.state[p].keys()
        assert all(torch.equal(value, second.state[p][key]) for key, value in first.state[p].items())


def test_stacked_projections_are_made_orthogonal_one_by_one() -> None:
    torch.manual_seed(0)
    stacked = torch.randn(24, 8)
    together = orthogonal([stacked], parts=3)[0]
    alone = [orthogonal([part])[0] for part in stacked.split(8)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_who_gets_what() -> None:
    model = build_model("modern", vocab_size=20, block_size=8, n_layer=2, n_head=2, n_embd=8)
    rates = {"matrix_learning_rate": 1.0, "embedding_learning_rate": 2.0, "learning_rate": 3.0}
    optimizer = muon(model, **rates, momentum=0.9, weight_decay=0.1, beta1=0.9, beta2=0.99)
    by_weight = {p: group for group in optimizer.param_groups for p in group["params"]}
    assert len(by_weight) == len(list(model.parameters()))
    assert by_weight[model.token_embedding.weight]["lr"] == 2.0
    assert by_weight[model.head.weight]["lr"] == 3.0
    assert by_weight[model.blocks[0].attention.qkv.weight]["parts"] == 3
    assert by_weight[model.blocks[1].expand.weight].get("muon")
    assert not by_weight[model.head.weight].get("muon")
