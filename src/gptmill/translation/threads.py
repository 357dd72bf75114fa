"""How many of a CPU's threads a model of a few hundred kilobytes may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """PyTorch's operations share `count` threads within the body; None leaves the number as it is.

    The number decides the order of sums, and so the bits of a result: with 1, which small models are nearly as fast
    with, a machine of two cores and one of sixteen give the same.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
