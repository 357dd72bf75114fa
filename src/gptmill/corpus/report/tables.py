"""Reading a stage's tables in batches: memory is bounded by a batch of documents, not by the corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from gptmill.errors import UserError

BATCH = 2048  # documents


@dataclass(frozen=True)
class Amount:
    """A number of documents and of bytes of their text in UTF-8."""

    documents: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.documents + other.documents, self.bytes + other.bytes)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.documents - other.documents, self.bytes - other.bytes)


Amounts = dict[tuple[str, ...], Amount]


def existing(path: Path) -> Path:
    """`path`, or a message that says which stage makes it."""
    if not path.is_file():
        stage = path.parent.name
        raise UserError(f"{path} does not exist; run the stage {stage} first: dvc repro {stage}")
    return path


def with_text_bytes(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The columns of a table with texts, in batches, and `bytes`, the size of each text."""
    for batch in pq.ParquetFile(existing(path)).iter_batches(BATCH, columns=[*columns, "text"]):
        sizes = pc.binary_length(batch["text"]).cast(pa.int64())
        yield pa.Table.from_batches([batch]).select(list(columns)).append_column("bytes", sizes)


def with_bytes_of(path: Path, columns: Sequence[str], texts: Path) -> Iterator[pa.Table]:
    """The columns of a table without texts, in batches, and `bytes`, the size of the text of that id in `texts`.

    Both files are sorted by id, so a batch of texts meets one range of rows, which the statistics of
    the row groups find: a merge join that holds one batch of either.

    Raises:
        UserError: when an id is not in `texts`.
    """
    wanted = ds.dataset(existing(path))
    columns = list(dict.fromkeys(["id", *columns]))
    found = 0
    for batch in with_text_bytes(texts, ["id"]):
        first, last = batch["id"][0], batch["id"][-1]
        inside = (ds.field("id") >= first) & (ds.field("id") <= last)
        rows = wanted.to_table(columns, filter=inside)
        at = pc.index_in(rows["id"], value_set=batch["id"])
        sized = rows.append_column("bytes", batch["bytes"].take(at)).filter(pc.is_valid(at))
        found += sized.num_rows
        yield sized
    if found != wanted.count_rows():
        raise UserError(
            f"{path}: {wanted.count_rows() - found} of its ids are not in {texts}: the two were not made "
            "together. Run `dvc repro` and look at the gates"
        )


def amounts(batches: Iterator[pa.Table], by: Sequence[str]) -> Amounts:
    """Documents and bytes for each combination of the columns `by`, sorted."""
    total: dict[tuple[str, ...], Amount] = defaultdict(Amount)
    for batch in batches:
        grouped = batch.group_by(list(by)).aggregate([("bytes", "count"), ("bytes", "sum")])
        for row in grouped.to_pylist():
            key = tuple(str(row[name]) for name in by)
            total[key] += Amount(row["bytes_count"], row["bytes_sum"])
    return dict(sorted(total.items()))


def sample(path: Path, column: str, rows: int = 16_384) -> np.ndarray:
    """Values of the first rows. Ids are hashes and files are sorted by id: it is a random sample."""
    for batch in pq.ParquetFile(existing(path)).iter_batches(rows, columns=[column]):
        return np.asarray(batch[column].to_numpy(zero_copy_only=False), np.float64)
    return np.empty(0)
