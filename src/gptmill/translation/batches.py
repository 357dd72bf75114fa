"""Pairs as ids, and training batches that are a pure function of (seed, step)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gptmill.models.encoder_decoder import PAD
from gptmill.tokens.tokenizer import Tokenizer

POOL = 16  # batches of like length are cut from this many batches' pairs
NO_LOSS = -100  # where a target row has ended


class Pair(NamedTuple):
    """One example: text and ids of both sides, without the end token."""

    id: str
    source: str
    target: str
    source_ids: list[int]
    target_ids: list[int]


def load_pairs(folder: Path, tokenizer: Tokenizer, split: str) -> list[Pair]:
    """The pairs of a split, by id."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "pairs.parquet", columns=["id", "split", "source", "target"])
    return [
        Pair(
            row["id"],
            row["source"],
            row["target"],
            tokenizer.encode(row["source"]),
            tokenizer.encode(row["target"]),
        )
        for row in table.to_pylist()
        if row["split"] == split
    ]


class Batches:
    """Batches (source, target, labels) from `first_step` to `max_steps`; see `collate`."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        eos_id: int,
        *,
        batch_size: int,
        seed: int,
        max_steps: int,
        first_step: int = 0,
    ) -> None:
        self.pairs, self.eos_id, self.batch_size, self.seed = pairs, eos_id, batch_size, seed
        self.steps = range(first_step, max_steps)
        self.lengths = np.array([len(pair.source_ids) + len(pair.target_ids) for pair in pairs])

    def __len__(self) -> int:
        return self.steps.stop  # all steps, those before `first_step` too: Lightning counts them

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        per_epoch = math.ceil(len(self.pairs) / self.batch_size)
        epoch, batches = -1, []
        for step in self.steps:
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                batches = epoch_batches(self.lengths, self.batch_size, self.seed, epoch)
            yield collate([self.pairs[i] for i in batches[step % per_epoch]], self.eos_id)


def epoch_batches(
    lengths: np.ndarray[Any, np.dtype[Any]], batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """Which pairs each batch of an epoch holds: all of them once, in batches of like length.

    A random order is cut into pools; each is sorted by length and cut into batches, whose order is random again.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    batches = []
    for first in range(0, len(order), POOL * batch_size):
        pool = order[first : first + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(pairs: Sequence[Pair], eos_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Source `(B, S)`, the decoder's input `(B, T)`, begun with the end token, and labels `(B, T)`, ended with it.

    An empty source is read as an end token: the models look at one token at least.
    """
    sources = [pair.source_ids or [eos_id] for pair in pairs]
    targets = [pair.target_ids for pair in pairs]
    source = fill(sources, PAD)
    given = fill([[eos_id, *ids] for ids in targets], PAD)
    labels = fill([[*ids, eos_id] for ids in targets], NO_LOSS)
    return source, given, labels


def fill(rows: Sequence[list[int]], value: int) -> Tensor:
    """Rows of ids as one tensor, the shorter ones filled up at their end."""
    out = torch.full((len(rows), max(map(len, rows))), value)
    for row, ids in zip(out, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.long)
    return out
