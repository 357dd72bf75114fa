"""Batches are a pure function of (seed, step): every pair once an epoch, like lengths together."""

from __future__ import annotations

import numpy as np
import torch

from gptmill.models.encoder_decoder import PAD
from gptmill.translation.batches import NO_LOSS, Batches, Pair, collate, epoch_batches

LENGTHS = np.random.default_rng(0).integers(1, 60, 1000)


def test_every_pair_once_an_epoch_in_another_order() -> None:
    first, second = (epoch_batches(LENGTHS, 32, 7, epoch) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(1000))
    assert first != second
    assert first == epoch_batches(LENGTHS, 32, 7, 0)
    assert first != epoch_batches(LENGTHS, 32, 8, 0)


def test_like_lengths_share_a_batch_and_batches_are_in_no_order() -> None:
    batches = epoch_batches(LENGTHS, 32, 7, 0)
    padded = sum(len(batch) * int(LENGTHS[batch].max()) for batch in batches)
    assert padded < 1.15 * LENGTHS.sum()
    means = [float(LENGTHS[batch].mean()) for batch in batches]
    assert means != sorted(means)


def pairs(n: int) -> list[Pair]:
    return [Pair(str(i), "", "", [2] * (1 + i % 5), [3] * (1 + i % 3)) for i in range(n)]


def test_going_on_at_a_step_gives_what_the_whole_would() -> None:
    def batches(first: int) -> list[list[torch.Tensor]]:
        made = Batches(pairs(50), 1, batch_size=8, seed=3, max_steps=20, first_step=first)
        assert len(made) == 20
        return [list(batch) for batch in made]

    whole, rest = batches(0), batches(9)
    assert len(whole) == 20
    for a, b in zip(whole[9:], rest, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_a_batch_holds() -> None:
    source, given, labels = collate([Pair("a", "", "", [5, 6], [7]), Pair("b", "", "", [], [8, 9])], 1)
    assert source.tolist() == [[5, 6], [1, PAD]]
    assert given.tolist() == [[1, 7, PAD], [1, 8, 9]]
    assert labels.tolist() == [[7, 1, NO_LOSS], [8, 9, 1]]
