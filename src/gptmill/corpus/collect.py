"""collect: every text of every source, once, as a document that knows where it came from.

Two plans with a staging file between them. The first reads the files of all sources in worker processes
and stages their texts as they come, so that nothing is held and every broken file is known before an out
is written. The second finds the texts that occur more than once and writes both sides, sorted.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import daft
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from daft import Window, col
from daft.functions import row_number

from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import start_engine, write_sorted
from gptmill.corpus.sources.docstrings import docstring_units
from gptmill.corpus.sources.folders import file_units
from gptmill.corpus.sources.huggingface import huggingface_units
from gptmill.corpus.sources.reading import FIELDS, read_units
from gptmill.corpus.sources.units import Unit
from gptmill.corpus.sources.url import url_units
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.collect import Collect, Docstrings, Files, HuggingFace, Source

REPEAT = pa.schema([DOCUMENT.field(name) for name in ("id", "source", "uri", "licence", "meta")])
STAGED = DOCUMENT.append(pa.field("rank", pa.int64()))
SHOWN = 5  # broken files that a message names
COUNTS = ("files", "ignored", "unreadable", "empty", "read", "documents", "repeats", "bytes")


def collect(params: Collect, out: Path) -> None:
    """Write documents.parquet, repeats.parquet and sources.json to `out`.

    Of equal texts the one of the first source in `params` is kept, within a source the first by uri; the
    others stand in repeats.parquet under the same id.

    Raises:
        UserError: naming the sources or files that cannot be read, and what to do.
    """
    start_engine()
    counts = {source.name: Counter[str]() for source in params.sources}
    units = []
    for rank, source in enumerate(params.sources):
        found, ignored = find_units(source, rank)
        units += found
        counts[source.name].update(files=len(found), ignored=ignored)

    staged = out / "staged.parquet"
    _read(units, staged, counts)
    first = Window().partition_by("id").order_by("rank", "uri")
    texts = daft.read_parquet(str(staged)).with_column("nth", row_number().over(first))
    write_sorted(texts.where("nth = 1"), out / "documents.parquet", DOCUMENT, ["id"])
    write_sorted(texts.where("nth > 1"), out / "repeats.parquet", REPEAT, ["id", "source", "uri"])
    staged.unlink()

    _count(out, counts)
    summary = {
        source.name: {"kind": source.kind} | {key: counts[source.name][key] for key in COUNTS}
        for source in params.sources
    }
    write_json(out / "sources.json", summary)


def find_units(source: Source, rank: int) -> tuple[list[Unit], int]:
    """The files to read of one source, and how many others it holds."""
    match source:
        case Docstrings():
            return docstring_units(source, rank), 0
        case Files():
            return file_units(source, rank)
        case HuggingFace():
            return huggingface_units(source, rank)
        case _:
            return url_units(source, rank), 0


def _read(units: list[Unit], staged: Path, counts: dict[str, Counter[str]]) -> None:
    """Read all units, write their texts to `staged` and add to `counts`.

    Raises:
        UserError: naming the broken files, once all are read.
    """
    columns: dict[str, Any] = {name: [getattr(unit, name) for unit in units] for name in FIELDS}
    plan = daft.from_pydict(columns).with_column("result", read_units(*(col(name) for name in FIELDS)))
    errors: list[str] = []
    with pq.ParquetWriter(staged, STAGED, compression="zstd") as writer:
        for batch in plan.select("source", "path", "licence", "rank", "result").to_arrow_iter():
            result = batch.column("result")
            for file in _outcomes(batch.drop_columns(["result"]), result):
                counts[file["source"]].update({key: file[key] for key in ("read", "empty", "unreadable")})
                if file["skipped"]:
                    print(f"gptmill: warning: left out {file['path']}: {file['skipped']}", file=sys.stderr)
                if file["error"]:
                    errors.append(f"{file['path']}: {file['error']}")
            writer.write_table(_texts(batch, pc.struct_field(result, "rows")))
    if errors:
        more = f"\n  and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        shown = "".join(f"\n  {error}" for error in sorted(errors)[:SHOWN])
        raise UserError(f"collect: {len(errors)} of {len(units)} files cannot be read:{shown}{more}")


def _outcomes(files: pa.RecordBatch, result: pa.StructArray) -> list[dict[str, Any]]:
    """How reading each file went: its columns with `read`, `empty`, `unreadable`, `skipped` and `error`."""
    lengths = pc.list_value_length(pc.struct_field(result, "rows")).to_pylist()
    outcomes = []
    for i, file in enumerate(files.to_pylist()):
        skipped, error, empty = (result[i][key].as_py() for key in ("skipped", "error", "empty"))
        outcome = {"read": lengths[i] or 0, "empty": empty, "unreadable": int(skipped is not None)}
        outcomes.append(file | outcome | {"skipped": skipped, "error": error})
    return outcomes


def _texts(files: pa.RecordBatch, rows: pa.ListArray) -> pa.Table:
    """The rows of all files of a batch as a `STAGED` table."""
    flat = pc.list_flatten(rows)
    parents = pc.list_parent_indices(rows)
    columns = {name: pc.struct_field(flat, name) for name in ("id", "text", "uri", "meta")}
    columns |= {name: files.column(name).take(parents) for name in ("source", "licence", "rank")}
    columns |= {"origin": pa.repeat("real", len(flat)), "lang": pa.repeat("und", len(flat))}
    return pa.table([columns[name] for name in STAGED.names], STAGED.names).cast(STAGED)


def _count(out: Path, counts: dict[str, Counter[str]]) -> None:
    """Add to `counts` what the two outs hold of each source."""
    for batch in pq.ParquetFile(out / "documents.parquet").iter_batches(columns=["source", "text"]):
        sizes = pa.table({"source": batch["source"], "bytes": pc.binary_length(batch["text"])})
        for row in sizes.group_by("source").aggregate([("bytes", "sum"), ("bytes", "count")]).to_pylist():
            counts[row["source"]].update(documents=row["bytes_count"], bytes=row["bytes_sum"])
    for batch in pq.ParquetFile(out / "repeats.parquet").iter_batches(columns=["source"]):
        counts_here = Counter(batch["source"].to_pylist())
        for name, n in counts_here.items():
            counts[name].update(repeats=n)
