"""Muon: momentum whose matrices are made orthogonal before each step; AdamW for everything else.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/, and KellerJordan/modded-nanogpt. `torch.optim.Muon` does the
same one matrix at a time and in bf16, which CPUs without bf16 units do 24 times slower (measured,
docs/log.md); here matrices of one shape go through the iteration together, in fp32 on CPUs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

# The quintic's coefficients, chosen by its authors for the steepest slope at zero.
A, B, C = 3.4445, -4.7750, 2.0315


class MuonAdamW(torch.optim.AdamW):
    """One optimizer: groups with `muon: True` take Muon's step, the others fused AdamW's.

    A Muon group holds matrices `(rows, columns)` and has `lr`, `momentum`, `weight_decay` and `parts`: how
    many matrices of the same height are stacked in each (a projection to queries, keys and values has 3).
    """

    def __init__(self, groups: list[dict[str, Any]], *, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, betas=betas, eps=eps, fused=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of each kind."""
        everything = self.param_groups
        # AdamW goes over `param_groups`; for its turn they are its own.
        self.param_groups = [group for group in everything if not group.get("muon")]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = everything
        for group in everything:
            if group.get("muon"):
                self._muon(group)
        return loss

    def _muon(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        grads = [p.grad for p in params]
        momenta = [self._momentum(p) for p in params]
        torch._foreach_lerp_(momenta, grads, 1.0 - group["momentum"])
        updates = torch._foreach_lerp(grads, momenta, group["momentum"])  # Nesterov's look ahead
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1.0 - group["lr"] * group["weight_decay"])
        for param, update in zip(params, orthogonal(list(updates), group["parts"]), strict=True):
            param.add_(update, alpha=-group["lr"])

    def _momentum(self, param: Tensor) -> Tensor:
        state = self.state[param]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(param)
            state["step"] = torch.zeros(())  # not ours: AdamW's loading wants one in every state
        return state["momentum"]  # type: ignore[no-any-return]


def orthogonal(updates: list[Tensor], parts: int = 1) -> list[Tensor]:
    """Each update `(rows, columns)` as `parts` orthogonal matrices, scaled by √max(1, rows / columns).

    Updates of one shape are stacked and go through the iteration together.
    """
    results: list[Tensor] = list(updates)
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, update in enumerate(updates):
        by_shape[tuple(update.shape)].append(i)
    for (rows, columns), places in by_shape.items():
        stacked = torch.stack([updates[i] for i in places])
        whole = newton_schulz(stacked.view(-1, rows // parts, columns)).view(-1, rows, columns)
        scale = max(1.0, rows / parts / columns) ** 0.5
        for i, result in zip(places, whole, strict=True):
            results[i] = result.mul(scale) if scale != 1.0 else result
    return results


def newton_schulz(matrices: Tensor, steps: int = 5) -> Tensor:
    """The orthogonal factor U Vᵀ of each of `matrices` `(n, rows, columns)`, singular values within ±0.3 of 1."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # so that no singular value is above 1
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return (x.mT if tall else x).to(matrices.dtype)
