"""Shards hold each document once and in order; the stream over them has no seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.tokens.shards import TokenStream, token_dtype, write_shards

documents_ = st.lists(st.lists(st.integers(2, 999), max_size=12), min_size=1, max_size=12)


def write(folder: Path, documents: list[list[int]], shard_tokens: int) -> list[dict[str, int]]:
    folder.mkdir(exist_ok=True)
    dtype = token_dtype(1000)
    packed = [(str(i), np.array([*d, 1], dtype).tobytes(), 3 * len(d)) for i, d in enumerate(documents)]
    rows = list(write_shards(packed, folder, "train", dtype.itemsize, shard_tokens))
    split = {"shards": 1 + rows[-1]["shard"], "bytes": sum(row["bytes"] for row in rows)}
    meta = {"vocab_size": 1000, "eos_id": 1, "dtype": dtype.str, "splits": {"train": split}}
    write_json(folder / "meta.json", meta)
    return rows


@given(documents=documents_, shard_tokens=st.integers(1, 30), data=st.data())
def test_stream_is_the_documents_in_order(
    tmp_path_factory, documents: list[list[int]], shard_tokens: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    rows = write(folder, documents, shard_tokens)
    flat = [token for document in documents for token in [*document, 1]]
    stream = TokenStream(folder, "train")
    assert len(stream) == len(flat) == sum(row["tokens"] for row in rows)
    start = data.draw(st.integers(0, len(flat) - 1))
    length = data.draw(st.integers(1, len(flat) - start))
    assert stream.window(start, length).tolist() == flat[start : start + length]
    assert stream.counts().tolist() == np.bincount(flat, minlength=1000).tolist()
    for row, document in zip(rows, documents, strict=True):
        shard = np.fromfile(folder / f"train-{row['shard']:05d}.bin", "<u2")
        assert shard[row["start"] : row["start"] + row["tokens"]].tolist() == [*document, 1]


def test_a_new_shard_begins_with_a_document(tmp_path: Path) -> None:
    rows = write(tmp_path, [[5] * 7, [6] * 7, [7] * 7], shard_tokens=10)
    assert [(row["shard"], row["start"]) for row in rows] == [(0, 0), (1, 0), (2, 0)]


def test_ids_beyond_16_bits_take_32() -> None:
    assert token_dtype(65_536).itemsize == 2
    assert token_dtype(65_537).itemsize == 4


def test_half_a_token_at_the_end_of_a_shard(tmp_path: Path) -> None:
    (tmp_path / "train-00000.bin").write_bytes(b"\1\0\2")
    meta = {"vocab_size": 9, "eos_id": 1, "dtype": "<u2", "splits": {"train": {"shards": 1, "bytes": 1}}}
    write_json(tmp_path / "meta.json", meta)
    with pytest.raises(UserError, match=r"train-00000\.bin has 3 bytes, no whole number of 2-byte tokens"):
        TokenStream(tmp_path, "train")


def test_meta_that_is_missing_or_damaged_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"meta\.json is missing\. Run `dvc repro tokenize`"):
        TokenStream(tmp_path, "train")
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(UserError, match=r"meta\.json is damaged .* Run `dvc checkout`"):
        TokenStream(tmp_path, "train")
