from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus import sorting
from gptmill.corpus.sorting import SortedFile, sorted_tables

SCHEMA = pa.schema([pa.field("id", pa.string(), False), pa.field("text", pa.string(), False)])
KEYS = st.lists(st.text(alphabet="01aé\U0001f600\0", max_size=6), max_size=60)


@given(KEYS, st.integers(1, 400), st.integers(1, 9))
def test_any_keys_in_any_portions(tmp_path_factory: pytest.TempPathFactory, keys, held, size) -> None:
    folder = tmp_path_factory.mktemp("sort")
    rows = [{"id": key, "text": str(i)} for i, key in enumerate(keys)]
    tables = [pa.Table.from_pylist(rows[i : i + size], SCHEMA) for i in range(0, len(rows), size)]
    found = list(sorted_tables(iter(tables), ["id", "text"], folder, held=held))
    assert [row for table in found for row in table.to_pylist()] == sorted(
        rows, key=lambda row: (row["id"], row["text"])
    )
    seen: set[str] = set()
    for table in found:  # no two tables share a key
        assert seen.isdisjoint(table["id"].to_pylist())
        seen.update(table["id"].to_pylist())
    assert list(folder.iterdir()) == []


def table_of(n: int) -> pa.Table:
    ids = [hashlib.blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(n)]
    return pa.table([ids, ["x" * (i % 50) for i in range(n)]], schema=SCHEMA)


@pytest.mark.parametrize("held", [1 << 14, 1 << 17, 1 << 30])
def test_the_same_bytes_whatever_memory_holds(tmp_path: Path, held: int) -> None:
    order = list(range(9000))
    random.Random(held).shuffle(order)
    table = table_of(9000).take(order)
    with SortedFile(tmp_path / "out.parquet", SCHEMA) as file:
        tables = (table.slice(start, 700) for start in range(0, 9000, 700))
        for part in sorted_tables(tables, ["id"], tmp_path, held=held):
            file.write(part)
    assert file.rows == 9000
    with SortedFile(tmp_path / "whole.parquet", SCHEMA) as whole:
        whole.write(table_of(9000).sort_by("id"))
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_row_groups_are_bounded_in_rows_and_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "GROUP_ROWS", 10)
    monkeypatch.setattr(sorting, "GROUP_BYTES", 100)
    lengths = [1] * 12 + [99, 1, 250, 3] + [40] * 4
    table = pa.table([[str(i) for i in range(20)], ["x" * n for n in lengths]], schema=SCHEMA)
    for step in (1, 7, 20):
        with SortedFile(tmp_path / f"{step}", SCHEMA) as file:
            for start in range(0, 20, step):
                file.write(table.slice(start, step))
        metadata = pq.read_metadata(tmp_path / f"{step}")
        groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert groups == [10, 3, 2, 4, 1]
