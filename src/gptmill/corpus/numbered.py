"""Documents by number: their row in a Parquet file that is sorted by id.

Daft knows no row numbers, and a join with a table of ids costs some 200 bytes of memory a document. So the
file is read as a Daft source of our own: a task a row group, which adds the numbers and leaves out the rows
that are not wanted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from daft.io.pushdowns import Pushdowns
from daft.io.source import DataSource, DataSourceTask
from daft.recordbatch import RecordBatch
from daft.series import Series

from gptmill.corpus.minhash import Ints
from gptmill.errors import UserError

BATCH_BYTES = 2 << 20  # with a quarter, what a batch costs by itself (Daft compiles its regexes anew) shows


def numbered(source: Path, columns: list[str], wanted: Ints | None = None) -> daft.DataFrame:
    """Documents with the columns given and `document`, their number; in any order.

    Args:
        wanted: the numbers of the documents, ascending; None for all.
    """
    return _Numbered(source, columns, wanted).read()


class _Numbered(DataSource):
    def __init__(self, source: Path, columns: list[str], wanted: Ints | None) -> None:
        self.path, self.wanted = str(source.resolve()), wanted
        file = pq.read_schema(source)
        self.arrow = pa.schema([("document", pa.int64()), *(file.field(name) for name in columns)])

    @property
    def name(self) -> str:
        return "numbered documents"

    @property
    def schema(self) -> daft.Schema:
        return daft.Schema.from_pyarrow_schema(self.arrow)

    async def get_tasks(self, pushdowns: Pushdowns) -> AsyncIterator[DataSourceTask]:
        first = 0
        file = pq.read_metadata(self.path)
        for group in range(file.num_row_groups):
            end = first + file.row_group(group).num_rows
            rows = None
            if self.wanted is not None:
                rows = self.wanted[slice(*np.searchsorted(self.wanted, (first, end)))] - first
            if rows is None or len(rows):
                yield _RowGroup(self.path, self.arrow, group, first, rows)
            first = end


class _RowGroup(DataSourceTask):
    def __init__(self, path: str, arrow: pa.Schema, group: int, first: int, rows: Ints | None) -> None:
        self.path, self.arrow, self.group, self.first, self.rows = path, arrow, group, first, rows

    @property
    def schema(self) -> daft.Schema:
        return daft.Schema.from_pyarrow_schema(self.arrow)

    async def read(self) -> AsyncIterator[RecordBatch]:
        first = 0
        with pq.ParquetFile(self.path) as file:
            columns = self.arrow.names[1:]
            for batch in batches_of(file, columns, [self.group]):
                rows, begin, first = np.arange(len(batch)), first, first + len(batch)
                if self.rows is not None:
                    rows = self.rows[slice(*np.searchsorted(self.rows, (begin, first)))] - begin
                    batch = batch.take(pa.array(rows))
                numbers = pa.array(self.first + begin + rows)
                if len(rows):
                    # Column by column: of a batch handed over whole, any column kept keeps all texts in memory.
                    arrays = [numbers, *(batch[name] for name in columns)]
                    named = zip(self.arrow.names, arrays, strict=True)
                    yield RecordBatch.from_pydict({name: Series.from_arrow(array) for name, array in named})


def batches_of(
    file: pq.ParquetFile, columns: list[str] | None = None, groups: Iterable[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Whole documents, some `BATCH_BYTES` in memory at a time, whether they are short or long."""
    for group in range(file.num_row_groups) if groups is None else groups:
        size = file.metadata.row_group(group)
        rows = max(1, BATCH_BYTES * size.num_rows // max(1, size.total_byte_size))
        yield from file.iter_batches(rows, [group], columns, use_threads=False)


def id_batches(source: Path) -> Iterator[pa.Array]:
    """The ids of the file in batches."""
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(columns=["id"], use_threads=False):
            yield batch["id"].cast(pa.string())


def ids_of(source: Path, numbers: Ints) -> pa.Array:
    """The ids of the documents of these numbers, which ascend."""
    first = 0
    found = [pa.array([], pa.string())]
    for ids in id_batches(source):
        here = slice(*np.searchsorted(numbers, (first, first + len(ids))))
        found.append(ids.take(pa.array(numbers[here] - first)))
        first += len(ids)
    return pa.concat_arrays(found)


def sorted_by_id(source: Path, scratch: Path) -> tuple[Path, int]:
    """`source`, or a sorted copy of it, and the number of its documents.

    Clean writes sorted documents, so the copy is for files from elsewhere.

    Raises:
        UserError: when two documents have one id.
    """
    ascending, repeated = order_of(id_batches(source))
    if not ascending:
        from gptmill.corpus.engine import write_sorted

        copy = scratch / "sorted.parquet"
        with pq.ParquetFile(source) as file:
            write_sorted(batches_of(file), copy, file.schema_arrow, by=["id"])
        source = copy
        _, repeated = order_of(id_batches(source))
    if repeated:
        raise UserError(
            f"dedupe: the id {repeated[0]} stands in more than one row of the cleaned documents "
            f"({len(repeated)} such rows); ids must be unique: run the collect and clean stages again"
        )
    return source, pq.read_metadata(source).num_rows


def order_of(batches: Iterable[pa.Array]) -> tuple[bool, list[str]]:
    """Do the ids ascend, and those that stand again in the next row."""
    repeated: list[str] = []
    last = pa.array([], pa.string())
    for ids in batches:
        ids = pa.concat_arrays([last, ids])
        if not pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py() and len(ids) > 1:
            return False, []
        repeated += ids[1:].filter(pc.equal(ids[1:], ids[:-1])).to_pylist()
        last = ids[-1:]
    return True, repeated
