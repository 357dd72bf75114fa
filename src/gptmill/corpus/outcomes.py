"""What becomes of each text read: a document, a repeat of one, or left out by the limits of its source.

All texts are sorted by id, which brings equal ones together, and decided on id by id: whatever the number
of texts, no more are held than the sort holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.progress import progress
from gptmill.corpus.sampling import Limit, Places, below, find_limits, is_capped, places, sample_limit
from gptmill.corpus.sorting import SortedFile, sorted_tables
from gptmill.corpus.sources.units import Unit
from gptmill.params.collect import Collect

REPEAT = pa.schema([DOCUMENT.field(name) for name in ("id", "source", "uri", "licence", "meta")])
DROPPED = REPEAT.append(pa.field("reason", pa.string(), nullable=False))
STAGED = DOCUMENT.set(1, pa.field("text", pa.string())).append(pa.field("rank", pa.int32()))
ROWS = 1024  # of ids read from a part at a time
Counts = dict[str, Counter[str]]


def write_outs(params: Collect, units: list[Unit], parts: list[Path], out: Path, counts: Counts) -> None:
    """Write the three tables from all parts; adds to `counts`."""
    limits = [sample_limit(source) for source in params.sources]
    if any(is_capped(source) for source in params.sources):
        limits = find_limits(params.sources, *_index(units, parts, params.sample_seed))
    n_read = sum(count["read"] for count in counts.values())
    with (
        SortedFile(out / "documents.parquet", DOCUMENT) as documents,
        SortedFile(out / "repeats.parquet", REPEAT) as repeats,
        SortedFile(out / "dropped.parquet", DROPPED) as dropped,
        progress("collect: texts", n_read) as advance,
    ):
        for table in sorted_tables(_rows(units, parts), ["id", "rank", "uri"], out, shrink=_one_text_each):
            first, again, left_out = _decide(table, limits, params.sample_seed)
            documents.write(first)
            repeats.write(again)
            dropped.write(left_out)
            _count(counts, first, again, left_out)
            advance(table.num_rows)


def _index(
    units: list[Unit], parts: list[Path], seed: int
) -> tuple[NDArray[np.int32], Places, NDArray[np.int64]]:
    """Rank, place and size of every text read, 20 bytes a text."""
    ranks, placed, sizes = [np.array([], np.int32)], [np.array([], np.uint64)], [np.array([], np.int64)]
    for unit, part in zip(units, parts, strict=True):
        for batch in pq.ParquetFile(part).iter_batches(ROWS, columns=["id", "size"]):
            ranks.append(np.full(batch.num_rows, unit.rank, np.int32))
            placed.append(places(batch["id"].to_pylist(), seed))
            sizes.append(batch["size"].to_numpy())
    return np.concatenate(ranks), np.concatenate(placed), np.concatenate(sizes)


def _rows(units: list[Unit], parts: list[Path]) -> Iterator[pa.Table]:
    """All texts of all parts as `STAGED` tables."""
    for unit, part in zip(units, parts, strict=True):
        same = {"source": unit.source, "licence": unit.licence, "rank": unit.rank}
        same |= {"origin": "real", "lang": "und"}
        with pq.ParquetFile(part) as file:
            # iter_batches would hold several groups; a group is as much as a worker held (sources/reading.py).
            for group in range(file.num_row_groups):
                batch = file.read_row_group(group, use_threads=False)
                columns = [
                    pa.repeat(same[name], len(batch)) if name in same else batch[name]
                    for name in STAGED.names
                ]
                yield pa.table(columns, STAGED.names).cast(STAGED)


def _groups(table: pa.Table) -> NDArray[np.int64]:
    """Number the distinct ids of a sorted table: for each row the number of its id."""
    ids = table["id"]
    changes = pc.not_equal(ids[1:], ids[:-1]).to_numpy() if len(ids) else []
    return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)[: len(ids)]


def _one_text_each(table: pa.Table) -> pa.Table:
    """Equal texts once: the first row that has the text keeps it. A text read a million times is one text."""
    with_text = np.flatnonzero(table["text"].is_valid().to_numpy())
    _, first = np.unique(_groups(table)[with_text], return_index=True)
    keeps = np.zeros(len(table), bool)
    keeps[with_text[first]] = True
    text = pc.if_else(pa.array(keeps), table["text"], pa.scalar(None, pa.string()))
    return table.set_column(table.schema.get_field_index("text"), STAGED.field("text"), text)


def _decide(table: pa.Table, limits: list[Limit], seed: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Documents, repeats and dropped ones of a sorted table that holds every row of its ids."""
    groups = _groups(table)
    rank = table["rank"].to_numpy()
    place = places(table["id"].to_pylist(), seed)
    takes = np.zeros(len(table), bool)
    reason = np.full(len(table), "sample", object)
    for number, limit in enumerate(limits):
        mine = rank == number
        takes |= mine & below(place, limit.end)
        if limit.cap:
            reason[mine & below(place, limit.sampled)] = limit.cap
    taken = np.flatnonzero(takes)
    _, first = np.unique(groups[taken], return_index=True)
    is_first = np.zeros(len(table), bool)
    is_first[taken[first]] = True

    kept = table.filter(pa.array(is_first))
    texts = table["text"].drop_null().take(groups[is_first])  # one of each id, in the order of the ids
    kept = kept.set_column(kept.schema.get_field_index("text"), DOCUMENT.field("text"), texts)
    table = table.append_column(DROPPED.field("reason"), pa.array(reason, pa.string(), mask=takes))
    rest = table.filter(pa.array(~is_first)).sort_by(
        [(name, "ascending") for name in ("id", "source", "uri")]
    )
    is_repeat = rest["reason"].is_null()
    return kept, rest.filter(is_repeat), rest.filter(pc.invert(is_repeat))


def _count(counts: Counts, documents: pa.Table, repeats: pa.Table, dropped: pa.Table) -> None:
    """Add to `counts` what the tables hold of each source."""
    for name, table in (("documents", documents), ("repeats", repeats), ("dropped", dropped)):
        for source in pc.value_counts(table["source"]).to_pylist():
            counts[source["values"]][name] += source["counts"]
    sizes = pa.table({"source": documents["source"], "bytes": pc.binary_length(documents["text"])})
    for row in sizes.group_by("source").aggregate([("bytes", "sum")]).to_pylist():
        counts[row["source"]]["bytes"] += row["bytes_sum"]
