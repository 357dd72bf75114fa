"""Weights laid out in memory for reading them a token at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def for_single_tokens(model: nn.Module) -> Iterator[None]:
    """While the body runs, matrices on the CPU that are taller than wide are stored by columns.

    A product with one token reads each weight once, so memory decides. BLAS reads a matrix whose rows are
    long nearly twice as fast as one whose rows are short (benchmarks/results/generate.md). Values and shapes
    stay what they are; the model holds both copies until the end.
    """
    changed = []
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            weight = module.weight.data
            if weight.device.type == "cpu" and weight.shape[0] > weight.shape[1] and weight.is_contiguous():
                changed.append((module, weight))
    try:
        for module, weight in changed:
            module.weight.data = weight.t().contiguous().t()
        yield
    finally:
        for module, weight in changed:
            module.weight.data = weight
