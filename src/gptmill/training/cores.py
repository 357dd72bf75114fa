"""The cores of a CPU as workers of one step: each takes a share of the batch and goes through the model alone.

The usual way, all cores in each operation, makes them wait for the slowest some hundred times a step; here they
meet once. Small models gain a fifth by it, and on a busy machine more (benchmarks/results/train.md). Shares and the
order of their sum are fixed, so the same number of threads gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import torch
from torch import Tensor

from gptmill.params.pretrain import Pretrain
from gptmill.training.lightning import compiles, device_count, root_device, uses_bf16

# More would wait for Python's lock, which each operation takes to start.
MOST = 4


class Cores:
    """Workers that share a batch; each has its part of PyTorch's threads for its operations."""

    def __init__(self, count: int) -> None:
        self.count, threads = count, torch.get_num_threads()
        # The setting is a thread's own: outside the workers all threads stay in use.
        self._pool = ThreadPoolExecutor(
            count, initializer=torch.set_num_threads, initargs=(threads // count,)
        )

    def backward(
        self, loss: Callable[[Tensor], Tensor], batch: Tensor, weights: list[Tensor]
    ) -> list[Tensor]:
        """Add the gradients of the shares' losses to `weights`; the losses, without gradient.

        Args:
            loss: of rows of the batch; the sum over the shares is the whole batch's.
        """

        def work(rows: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            value = loss(rows)
            return value.detach(), torch.autograd.grad(value, weights)

        losses, gradients = zip(*self._pool.map(work, torch.chunk(batch, self.count)), strict=True)
        for weight, *parts in zip(weights, *gradients, strict=True):
            before = [] if weight.grad is None else [weight.grad]
            weight.grad = reduce(torch.add, before + parts)
        return list(losses)


def cores_of(params: Pretrain) -> Cores | None:
    """The workers for a training that is alone on a CPU; None where others do the sharing.

    Dropout draws from one generator for all threads, in whatever order they come: no two runs would be alike.
    """
    shared = min(torch.get_num_threads(), params.micro_batch_size or params.sequences, MOST)
    alone = device_count(params.accelerator, params.devices, params.num_nodes) == 1
    plain = not (
        params.model.dropout
        or compiles(params.accelerator, params.compile)
        or uses_bf16(params.accelerator, params.precision)
    )
    cpu = root_device(params.accelerator).type == "cpu"
    return Cores(shared) if cpu and alone and plain and shared > 1 else None
