"""Daft at the edges of a data stage: rows in, sorted Parquet of fixed bytes out.

Traps of Daft 0.7 that this file and its users live with: `write_parquet` names files by UUID, so we
write with pyarrow; the order of rows after a shuffle is not fixed, so every out is sorted; a Python
UDF that makes maps must return a pyarrow array (dicts panic); an exception in a UDF's process loses
its type, so readers return errors as values.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import daft

ROW_GROUP = 8192


def start_engine() -> None:
    """Choose Daft's native runner, without telemetry. Call it before the first plan runs."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DAFT_RUNNER", "native")


def write_sorted(plan: daft.DataFrame, path: str | Path, schema: pa.Schema, by: list[str]) -> int:
    """Run `plan` and write its rows, sorted by the columns `by` (a total order), as one Parquet file.

    Returns:
        The number of rows written.
    """
    return write_rows(plan.sort(list(by)).to_arrow_iter(), path, schema)


def write_rows(batches: Iterator[pa.RecordBatch], path: str | Path, schema: pa.Schema) -> int:
    """Write rows in the order in which they come, as one Parquet file; returns their number."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = 0
        for batch in _regroup(batches, schema):
            writer.write_table(batch, row_group_size=ROW_GROUP)
            rows += batch.num_rows
    return rows


def _regroup(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP` rows: how Daft cuts its batches must not show in the bytes."""
    held: list[pa.Table] = []
    count = 0
    for batch in batches:
        held.append(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
        count += batch.num_rows
        if count >= ROW_GROUP:
            table = pa.concat_tables(held)
            whole = count - count % ROW_GROUP
            for start in range(0, whole, ROW_GROUP):
                yield table.slice(start, ROW_GROUP).combine_chunks()
            held, count = [table.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(held).combine_chunks()
