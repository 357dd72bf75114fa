"""collect: every text of every source, once, as a document that knows where it came from.

Two plans with a staging file between them. The first reads the units of all sources in worker processes;
its rows are staged as they come, so that nothing is held and every broken file is known before an out is
written. The second finds texts that occur more than once and writes both sides, sorted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import Window, col, lit
from daft.functions import row_number

from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import start_engine, write_sorted
from gptmill.corpus.sources.docstrings import docstring_units
from gptmill.corpus.sources.reading import FIELDS, RESULT, read_units
from gptmill.corpus.sources.units import Unit
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.collect import Collect, Docstrings, Source

REPEAT = pa.schema([DOCUMENT.field(name) for name in ("id", "source", "uri", "licence", "meta")])
STAGED = DOCUMENT.append(pa.field("rank", pa.int64()))
SHOWN = 5  # files that a message names


def collect(params: Collect, out: Path) -> None:
    """Write documents.parquet, repeats.parquet and sources.json to `out`.

    Of equal texts the one of the first source in `params` is kept, within a source the first by uri; the
    others are in repeats.parquet under the same id.

    Raises:
        UserError: naming each source or file that cannot be read, and what to do.
    """
    start_engine()
    units = [unit for rank, source in enumerate(params.sources) for unit in source_units(source, rank)]
    staged = out / "staged.parquet"
    counts = _stage(units, staged)

    order = Window().partition_by("id").order_by("rank", "uri")
    ranked = daft.read_parquet(str(staged)).with_column("nth", row_number().over(order))
    write_sorted(ranked.where(col("nth") == 1), out / "documents.parquet", DOCUMENT, ["id"])
    write_sorted(ranked.where(col("nth") > 1), out / "repeats.parquet", REPEAT, ["id", "source", "uri"])
    staged.unlink()
    write_json(out / "sources.json", _summary(params, counts, out))


def source_units(source: Source, rank: int) -> list[Unit]:
    """The files of one source."""
    match source:
        case Docstrings():
            return docstring_units(source, rank)
    raise UserError(f"{source.kind}: not a kind of source")


def _stage(units: list[Unit], path: Path) -> dict[str, Counter[str]]:
    """Read all units and write their documents to `path`; counts (files, empty, skipped) for each source."""
    columns = {name: [getattr(unit, name) for unit in units] for name in FIELDS}
    plan = daft.from_pydict(columns).with_column("result", read_units(*(col(name) for name in FIELDS)))
    counts: dict[str, Counter[str]] = {}
    errors: list[str] = []
    with pq.ParquetWriter(path, STAGED) as writer:
        for batch in plan.to_arrow_iter():
            for row in batch.select(["source", "path", "licence", "rank", "result"]).to_pylist():
                result = row["result"]
                count = counts.setdefault(row["source"], Counter())
                count.update(files=1, empty=result["empty"], skipped=result["skipped"] is not None)
                if result["error"]:
                    errors.append(f'{row["path"]} (source "{row["source"]}"): {result["error"]}')
                if result["skipped"]:
                    print(f'gptmill: warning: passed over {row["path"]}: {result["skipped"]}', file=sys.stderr)
                rows = [
                    r
                    | {
                        "source": row["source"],
                        "licence": row["licence"],
                        "origin": "real",
                        "lang": "und",
                        "rank": row["rank"],
                    }
                    for r in result["rows"]
                ]
                writer.write_table(pa.Table.from_pylist(rows, STAGED))
    if errors:
        raise UserError("\n".join(sorted(errors)[:SHOWN]))
    return counts


def _summary(params: Collect, counts: dict[str, Counter[str]], out: Path) -> dict[str, Any]:
    return {}
