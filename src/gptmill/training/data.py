"""Training batches whose order is a pure function of (seed, step): nothing to save, exact to resume.

The token stream is cut into windows of `block_size` that don't overlap. An epoch is a permutation of
them drawn from (seed, epoch), and step `s` takes the windows `s · batch_size` onwards: every window
once an epoch. Each device takes its share of a batch, so the order doesn't depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gptmill.errors import UserError
from gptmill.params.pretrain import Pretrain
from gptmill.tokens.shards import TokenStream
from gptmill.training.lightning import device_count
from gptmill.training.masking import TRAINING, Ids, mask_row


class Batches:
    """Batches `(batch_size / world_size, block_size + 1)` of int64 ids, from `first_step` to `max_steps`.

    With `masked` they are `(batch_size / world_size, 2, block_size)`: of each row what is read, and the targets.
    """

    def __init__(
        self,
        stream: TokenStream,
        *,
        block_size: int,
        batch_size: int,
        seed: int,
        max_steps: int,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        masked: bool = False,
        named: str = "pretrain.batch_size",
    ) -> None:
        self.n_windows = count_windows(stream, block_size, batch_size, named)
        if batch_size % world_size:
            raise UserError(
                f"a batch of {batch_size} sequences can't be shared by {world_size} devices; change {named} "
                "until it is a multiple of their number, or set pretrain.devices"
            )
        self.stream, self.block_size, self.batch_size, self.seed = stream, block_size, batch_size, seed
        self.steps = range(first_step, max_steps)
        self.rank, self.world_size, self.masked = rank, world_size, masked
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        # All steps, also those before `first_step`: Lightning counts them when it resumes.
        return self.steps.stop

    def __iter__(self) -> Iterator[Tensor]:
        for step in self.steps:
            windows = self.windows(step)[self.rank :: self.world_size]
            rows = [self.stream.window(w * self.block_size, self.block_size + 1) for w in windows]
            if self.masked:
                places = range(
                    step * self.batch_size + self.rank, (step + 1) * self.batch_size, self.world_size
                )
                rows = [self._masked(row[:-1], place) for row, place in zip(rows, places, strict=True)]
            yield torch.from_numpy(np.stack(rows))

    def _masked(self, ids: Ids, place: int) -> Ids:
        return mask_row(ids, self.stream.vocab_size, self.stream.eos_id, (self.seed, place, TRAINING))

    def windows(self, step: int) -> list[int]:
        """The windows of one step's batch, over all devices; a batch may reach into the next epoch."""
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [int(self._permutation(place // self.n_windows)[place % self.n_windows]) for place in places]

    def _permutation(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if epoch != self._epoch:
            self._epoch, self._order = (
                epoch,
                np.random.default_rng((self.seed, epoch)).permutation(self.n_windows),
            )
        return self._order


def batch_setting(params: Pretrain) -> str:
    """The key that the number of sequences in a batch comes from, as messages name it."""
    if params.batch_size:
        return "pretrain.batch_size"
    if params.batch_tokens:
        return "pretrain.batch_tokens"
    return "the batch that pretrain.model.depth brings (pretrain.batch_size sets another)"


def sequences_at_once(params: Pretrain) -> int:
    """Sequences that a device holds at once: its share of the batch, or a part of that."""
    share = max(1, params.sequences // device_count(params.accelerator, params.devices, params.num_nodes))
    return min(params.micro_batch_size or share, share)


def count_windows(
    stream: TokenStream, block_size: int, batch_size: int, named: str = "pretrain.batch_size"
) -> int:
    """Windows in an epoch; at least those of one batch, or a `UserError` that calls the batch's key `named`."""
    n_windows = (len(stream) - 1) // block_size
    if n_windows < 1:
        raise UserError(
            f"pretrain.model.block_size = {block_size} is longer than the train split, "
            f"which has {len(stream)} tokens; lower it in params.yaml or collect more text"
        )
    if n_windows < batch_size:
        raise UserError(
            f"the train split has {len(stream)} tokens, {n_windows} sequences of pretrain.model.block_size = "
            f"{block_size}: fewer than one batch of {batch_size}. Lower {named} or collect more text"
        )
    return n_windows


def documents_in(tokens: Path, split: str, starts: list[int], length: int) -> list[str]:
    """Ids of the documents, in the stream's order, that windows of `length` tokens from `starts` touch."""
    import pyarrow.parquet as pq

    if not (tokens / "documents.parquet").is_file():
        return []
    table = pq.read_table(tokens / "documents.parquet", columns=["id", "split", "shard", "start", "tokens"])
    rows = [row for row in table.to_pylist() if row["split"] == split]
    rows.sort(key=lambda row: (row["shard"], row["start"]))
    ends = np.cumsum([row["tokens"] for row in rows])
    found: set[int] = set()
    for start in starts:
        first, last = np.searchsorted(ends, (start, start + length - 1), side="right")
        found.update(range(int(first), min(int(last), len(rows) - 1) + 1))
    return [rows[i]["id"] for i in sorted(found)]
