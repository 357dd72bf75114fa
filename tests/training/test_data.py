"""The order of batches is a pure function of (seed, step), and covers every token once an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.tokens.shards import TokenStream
from gptmill.training.data import Batches, documents_in


@pytest.fixture
def stream(tmp_path: Path) -> TokenStream:
    np.arange(101, dtype="<u2").tofile(tmp_path / "train-00000.bin")
    splits = {"train": {"shards": 1, "bytes": 300}}
    write_json(tmp_path / "meta.json", {"vocab_size": 101, "eos_id": 1, "dtype": "<u2", "splits": splits})
    return TokenStream(tmp_path, "train")


def batches(stream: TokenStream, **changes: int) -> Batches:
    options = {"block_size": 5, "batch_size": 4, "seed": 7, "max_steps": 10} | changes
    return Batches(stream, **options)


def test_rows_are_windows_with_the_next_token(stream: TokenStream) -> None:
    first = next(iter(batches(stream)))
    assert first.shape == (4, 6)
    assert torch.equal(first - first[:, :1], torch.arange(6).expand(4, 6))
    assert (first[:, 0] % 5 == 0).all()


def test_every_window_once_an_epoch(stream: TokenStream) -> None:
    ours = batches(stream, batch_size=3)  # 20 windows: a batch reaches over the epoch's end
    seen = [window for step in range(20) for window in ours.windows(step)]
    for epoch in range(3):
        assert sorted(seen[20 * epoch : 20 * (epoch + 1)]) == list(range(20))
    assert seen[:20] != seen[20:40]


def test_starting_late_gives_the_same_batches(stream: TokenStream) -> None:
    whole = list(batches(stream))
    late = list(batches(stream, first_step=6))
    assert len(late) == 4
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], late, strict=True))


def test_devices_share_each_batch(stream: TokenStream) -> None:
    alone = list(batches(stream))
    shares = [list(batches(stream, rank=rank, world_size=2)) for rank in (0, 1)]
    for step, batch in enumerate(alone):
        rows = torch.cat([shares[0][step], shares[1][step]]).tolist()
        assert sorted(rows) == sorted(batch.tolist())


def test_another_seed_is_another_order(stream: TokenStream) -> None:
    assert batches(stream).windows(0) != batches(stream, seed=8).windows(0)


def test_block_longer_than_the_text(stream: TokenStream) -> None:
    with pytest.raises(
        UserError, match="block_size = 101 is longer than the train split, which has 101 tokens"
    ):
        batches(stream, block_size=101)


def test_fewer_windows_than_a_batch(stream: TokenStream) -> None:
    with pytest.raises(
        UserError, match=r"20 sequences of pretrain.model.block_size = 5: fewer than one batch of 21"
    ):
        batches(stream, batch_size=21)


def test_documents_of_windows(tmp_path: Path) -> None:
    rows = [
        {"id": id_, "split": "train", "shard": shard, "start": start, "tokens": tokens}
        for id_, shard, start, tokens in (("c", 1, 0, 7), ("a", 0, 0, 10), ("b", 0, 10, 5))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "documents.parquet")
    assert documents_in(tmp_path, "train", [0], 10) == ["a"]
    assert documents_in(tmp_path, "train", [9], 2) == ["a", "b"]
    assert documents_in(tmp_path, "train", [16, 3], 6) == ["a", "c"]


def test_batch_that_devices_cannot_share(stream: TokenStream) -> None:
    with pytest.raises(
        UserError, match=r"a batch of 4 sequences can't be shared by 3 devices; change pretrain.batch_size"
    ):
        batches(stream, world_size=3)
