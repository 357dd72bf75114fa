"""More rows than memory holds, sorted: the same rows in the same order, however they came.

A distribution sort from the most significant digits (Knuth, The Art of Computer Programming 3, 5.2.5):
rows gather until they fill `HELD` bytes, are sorted and written as a run, which is cut where the next
two characters of the key change; then each of these buckets is read from all runs and sorted by itself,
in memory or, when it is too large, in the same way two characters further on. Ids are hashes: one pass
over the disk makes 256 even buckets, which serves 4 GB of rows, and a second one 1 TB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HELD = 16 << 20  # bytes of rows in memory
DIGITS = 2  # characters of the key that tell one bucket from another
GROUP_ROWS = 8192
GROUP_BYTES = 16 << 20  # of text; whoever reads holds a few groups

Shrink = Callable[[pa.Table], pa.Table]


def sorted_tables(
    tables: Iterable[pa.Table],
    by: list[str],
    scratch: Path,
    shrink: Shrink | None = None,
    held: int = HELD,
    start: int = 0,
) -> Iterator[pa.Table]:
    """The rows of `tables` sorted by the columns `by`, in tables of which no two share a key.

    Args:
        by: the key, a string column, then those that order rows of one key.
        scratch: where temporary files may stand.
        shrink: makes sorted rows smaller on their way to the disk; it keeps their order and all keys.
        held: bytes of rows to hold in memory.
        start: how many characters of the key all rows share.
    """
    waiting: list[pa.Table] = []
    size = 0
    with tempfile.TemporaryDirectory(prefix=".sort-", dir=scratch) as folder:
        runs = _Runs(Path(folder), by[0], start)
        for table in tables:
            waiting.append(table)
            size += table.nbytes
            if size >= held:
                runs.write(_sort(waiting, by, shrink))
                waiting, size = [], 0
        if runs and waiting:
            runs.write(_sort(waiting, by, shrink))
            waiting = []
        if waiting:
            yield _sort(waiting, by, shrink)
        for prefix in runs.prefixes():
            if len(prefix) < DIGITS:  # the key ends here: nothing is left to tell rows apart by
                yield _sort(list(runs.read(prefix)), by, shrink)
            else:
                yield from sorted_tables(runs.read(prefix), by, Path(folder), shrink, held, start + DIGITS)


def _sort(tables: list[pa.Table], by: list[str], shrink: Shrink | None) -> pa.Table:
    table = pa.concat_tables(tables)
    table = table.take(pc.sort_indices(table, [(name, "ascending") for name in by]))
    return shrink(table) if shrink else table


class _Runs:
    """Sorted runs on disk, in each of them one batch for every bucket that it has rows of."""

    def __init__(self, folder: Path, key: str, start: int) -> None:
        self.folder, self.key, self.start = folder, key, start
        self.places: list[dict[str, int]] = []  # for each run the number of each bucket's batch

    def __bool__(self) -> bool:
        return bool(self.places)

    def write(self, table: pa.Table) -> None:
        """Write a sorted table as a run."""
        prefix = pc.utf8_slice_codeunits(table[self.key], self.start, self.start + DIGITS)
        found = prefix.combine_chunks().dictionary_encode()
        ends = np.searchsorted(found.indices.to_numpy(), np.arange(1, len(found.dictionary) + 1))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(self._path(len(self.places)), table.schema, options=options) as file:
            begin = 0
            for end in ends.tolist():
                (batch,) = table.slice(begin, end - begin).combine_chunks().to_batches()
                file.write_batch(batch)
                begin = end
        self.places.append({name: i for i, name in enumerate(found.dictionary.to_pylist())})

    def prefixes(self) -> list[str]:
        """The buckets, in the order of their keys."""
        return sorted(set().union(*self.places))

    def read(self, prefix: str) -> Iterator[pa.Table]:
        """The rows of one bucket, from all runs."""
        for number, places in enumerate(self.places):
            if prefix in places:
                with pa.ipc.open_file(self._path(number)) as file:
                    yield pa.Table.from_batches([file.get_batch(places[prefix])])

    def _path(self, number: int) -> str:
        return str(self.folder / f"{number}.arrow")


class SortedFile:
    """A Parquet file whose bytes follow from its rows alone, not from the tables in which they came.

    A row group ends after `GROUP_ROWS` rows, or with the row whose text fills `GROUP_BYTES`. It is compressed
    and written on a thread while the rows of the next one come in.
    """

    def __init__(self, path: str | Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[pa.Table] = []
        self._open = (0, 0)  # rows and bytes of the group that has begun
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows; columns are found by name."""
        table = table.select(self.schema.names).cast(self.schema)
        self.rows += table.num_rows
        sizes = np.zeros(table.num_rows, np.int64)
        if "text" in self.schema.names:
            sizes = pc.binary_length(table["text"]).to_numpy().astype(np.int64)
        filled = np.cumsum(sizes)
        begin = 0
        while begin < table.num_rows:
            held_rows, held_bytes = self._open
            before = filled[begin - 1] if begin else 0
            full = int(np.searchsorted(filled, before + GROUP_BYTES - held_bytes)) + 1
            end = min(full, begin + GROUP_ROWS - held_rows, table.num_rows)
            self._held.append(table.slice(begin, end - begin))
            self._open = (held_rows + end - begin, held_bytes + int(filled[end - 1] - before))
            if self._open[0] == GROUP_ROWS or self._open[1] >= GROUP_BYTES:
                self._flush()
            begin = end

    def _flush(self) -> None:
        if self._writing:
            self._writing.result()
        if self._held:
            table = pa.concat_tables(self._held).combine_chunks()
            self._writing = self._thread.submit(self._writer.write_table, table, row_group_size=GROUP_ROWS)
        self._held, self._open = [], (0, 0)

    def __enter__(self) -> SortedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._flush()  # waits for the last group
        finally:
            self._thread.shutdown()
            self._writer.close()
