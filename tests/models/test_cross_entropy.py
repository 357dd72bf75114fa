"""The fused loss equals torch's, with caps, ignored targets, reductions, padding and many chunks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gptmill.models import cross_entropy as module
from gptmill.models.cross_entropy import IGNORED, cap_logits, cross_entropy


@pytest.fixture
def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden, head = torch.randn(50, 8, requires_grad=True), torch.randn(37, 8, requires_grad=True)
    targets = torch.randint(0, 37, (50,))
    targets[::7] = IGNORED
    return hidden, head, targets


@pytest.mark.parametrize("chunk", [1, 37 * 16, 10**6])
@pytest.mark.parametrize("cap", [0.0, 2.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_torch(parts, chunk, cap, reduction, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "CPU_CHUNK", chunk)
    hidden, head, targets = parts
    expected = F.cross_entropy(cap_logits(hidden @ head.T, cap), targets, reduction=reduction)
    wanted = torch.autograd.grad(3 * expected, (hidden, head))
    loss = cross_entropy(hidden, head, targets, cap=cap, reduction=reduction)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(torch.autograd.grad(3 * loss, (hidden, head)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(
            cross_entropy(hidden, head, targets, cap=cap, reduction=reduction), expected
        )


def test_each_token_s_own(parts) -> None:  # type: ignore[no-untyped-def]
    hidden, head, targets = parts
    expected = F.cross_entropy(hidden @ head.T, targets, reduction="none")
    torch.testing.assert_close(cross_entropy(hidden, head, targets, reduction="none"), expected.detach())


def test_gradients_by_finite_differences() -> None:
    torch.manual_seed(1)
    hidden = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    head = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 6, IGNORED, 3, 3])
    assert torch.autograd.gradcheck(lambda h, w: cross_entropy(h, w, targets, cap=3.0), (hidden, head))


def test_padding_has_no_probability(parts) -> None:  # type: ignore[no-untyped-def]
    hidden, head, targets = parts
    weights = torch.ones(50)
    targets = targets.clamp(min=0)
    padded = F.pad(head, (0, 0, 0, -len(head) % 64))
    for cap in (0.0, 2.0):
        ours = module._chunks(hidden, padded, targets, weights, 37, 16, cap, True)
        plain = module._chunks(hidden, head, targets, weights, 37, 16, cap, True)
        torch.testing.assert_close(ours[0], plain[0])
        torch.testing.assert_close(ours[1], plain[1])
        torch.testing.assert_close(ours[2][:37], plain[2])
        assert not ours[2][37:].any()


def test_nothing_counts() -> None:
    loss = cross_entropy(torch.randn(3, 4), torch.randn(5, 4), torch.full((3,), IGNORED))
    assert loss == 0


def test_under_autocast(parts) -> None:  # type: ignore[no-untyped-def]
    hidden, head, targets = parts
    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(hidden, head, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(hidden, head, targets), rtol=2e-2, atol=2e-2)
    loss.backward()
    assert hidden.grad.dtype == head.grad.dtype == torch.float32
