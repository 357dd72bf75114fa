"""collect: every text of every source, once, as a document that knows where it came from.

Worker processes read the files and write each one's texts to a part (sources/reading.py), so that every
broken file is known before an out is written. Then all parts are sorted by id, which brings equal texts
together: one of them becomes the document, and what becomes of the others stands in tables of their own.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import daft
from daft import col

from gptmill.corpus.engine import spread, start_engine
from gptmill.corpus.outcomes import Counts, write_outs
from gptmill.corpus.progress import progress
from gptmill.corpus.sources.docstrings import docstring_units
from gptmill.corpus.sources.folders import file_units
from gptmill.corpus.sources.huggingface import huggingface_units
from gptmill.corpus.sources.reading import FIELDS, part_name, read_result, read_units
from gptmill.corpus.sources.units import Unit
from gptmill.corpus.sources.url import url_units
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.collect import Collect, Docstrings, Files, HuggingFace, Source

SHOWN = 5  # broken files that a message names
COUNTS = ("files", "ignored", "unreadable", "empty", "read", "documents", "repeats", "dropped", "bytes")


def collect(params: Collect, out: Path, parts: Path | None = None) -> None:
    """Write documents.parquet, repeats.parquet, dropped.parquet and sources.json to `out`.

    Of equal texts the one of the first source in `params` is kept, within a source the first by uri; the
    others stand in repeats.parquet under the same id. What a sample or a cap of its source leaves out
    stands in dropped.parquet with the reason.

    Args:
        parts: where to keep what was read of each file, so that unchanged files are not read again; what
            this run had no use for is removed.

    Raises:
        UserError: naming the sources or files that cannot be read, and what to do.
    """
    start_engine()
    counts: Counts = {source.name: Counter() for source in params.sources}
    units = []
    for rank, source in enumerate(params.sources):
        found, ignored = find_units(source, rank, params)
        units += found
        counts[source.name].update(files=len(found), ignored=ignored)

    with tempfile.TemporaryDirectory(prefix=".parts-", dir=out) as scratch:
        read = read_parts(units, parts, Path(scratch).resolve(), counts)
        write_outs(params, units, read, out, counts)
    if parts:
        remove_others(parts, read)
    summary = {
        source.name: {"kind": source.kind} | {key: counts[source.name][key] for key in COUNTS}
        for source in params.sources
    }
    write_json(out / "sources.json", summary)


def find_units(source: Source, rank: int, params: Collect) -> tuple[list[Unit], int]:
    """The files to read of one source, and how many others it holds."""
    match source:
        case Docstrings():
            units, ignored = docstring_units(source, rank), 0
        case Files():
            units, ignored = file_units(source, rank)
        case HuggingFace():
            units, ignored = huggingface_units(source, rank)
        case _:
            units, ignored = url_units(source, rank), 0
    ratio, size = params.max_ratio, params.max_text_bytes
    return [replace(unit, max_ratio=ratio, max_bytes=size) for unit in units], ignored


def read_parts(units: list[Unit], parts: Path | None, scratch: Path, counts: Counts) -> list[Path]:
    """The part of each unit, read unless it is in `parts`; adds to `counts`.

    Raises:
        UserError: naming the broken files, once all are read.
        OSError: when the disk is full.
    """
    if parts:
        parts.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, unit in enumerate(units):
        name = part_name(unit) if parts else None
        paths.append(parts.resolve() / f"{name}.parquet" if parts and name else scratch / f"{i}.parquet")

    errors: list[str] = []
    kept = [(unit, path, read_result(path)) for unit, path in zip(units, paths, strict=True)]
    todo = [(unit, path) for unit, path, result in kept if result is None]
    results = [(unit, result) for unit, _, result in kept if result is not None]
    with progress("collect: files", len(todo)) as advance:
        for unit, result in _read([unit for unit, _ in todo], [path for _, path in todo]):
            advance(1)
            results.append((unit, result))
    if any(result["full"] for _, result in results):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(parts or scratch))
    for unit, result in results:
        counts[unit.source].update(read=result["read"], empty=result["empty"])
        if result["skipped"]:
            counts[unit.source]["unreadable"] += result["broken"] or 1
            part = f"{result['broken']} of the records of " if result["broken"] else ""
            print(f"gptmill: warning: left out {part}{unit.path}: {result['skipped']}", file=sys.stderr)
        if result["error"]:
            errors.append(f"{unit.path}: {result['error']}")
    if errors:
        more = f"\n  and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        shown = "".join(f"\n  {error}" for error in sorted(errors)[:SHOWN])
        raise UserError(f"collect: {len(errors)} of {len(units)} files cannot be read:{shown}{more}")
    return paths


def _read(units: list[Unit], paths: list[Path]) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Each unit and how reading it went, as they come."""
    if not units:
        return
    columns: dict[str, Any] = {name: [getattr(unit, name) for unit in units] for name in FIELDS}
    columns |= {
        "path": [os.fsencode(unit.path) for unit in units],
        "part": [os.fsencode(path) for path in paths],
    }
    columns["number"] = list(range(len(units)))
    plan = spread(daft.from_pydict(columns), len(units))
    result = read_units(col("part"), *(col(name) for name in FIELDS))
    for batch in plan.select("number", result.alias("result")).to_arrow_iter():
        for number, outcome in zip(
            *(batch.column(name).to_pylist() for name in ("number", "result")), strict=True
        ):
            yield units[number], outcome


def remove_others(folder: Path, parts: list[Path]) -> None:
    """Remove from `folder` the parts of files that have changed or are no longer collected."""
    used = {part.name for part in parts}
    for path in folder.iterdir():
        if path.name not in used:
            path.unlink()
