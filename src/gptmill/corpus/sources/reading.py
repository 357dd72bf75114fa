"""From units to parts: the Daft UDF that reads files in worker processes, and how its failures come back.

A part is one file's documents as Parquet, in a folder that outlives the run. A worker writes it row by
row and renames it when the file has been read to its end, so that neither a large file nor many fill
memory, a killed run goes on with the files that it had not read, and an unchanged file is not read again.
A part's name is a hash of all that its content follows from: the file's stamp, the unit, the code that
reads, the versions of the libraries that it asks.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, Series

from gptmill.corpus.documents import document_id
from gptmill.corpus.sources.docstrings import read_docstrings
from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.stores import digest, is_url, stamp
from gptmill.corpus.sources.units import Skipped, Text, Unit, Unreadable, valid_text

FIELDS = [field.name for field in fields(Unit)]
META = pa.map_(pa.string(), pa.string())
PART = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("size", pa.int64()),  # bytes of the text
        ("uri", pa.string()),
        ("meta", META),
    ]
)
ROWS = 1024
CHARS = 4 << 20  # of text in a worker's memory, before rows are written

# What reading one unit gives: numbers, or `error` (mend it), `full` (no disk space for its part) or `skipped`
# (a warning: why the file, or the first of `broken` texts of it, is left out), never an exception: in a
# worker process that would lose its type.
NOTED = ("read", "empty", "broken", "skipped")  # of a result, in its part
RESULT = pa.struct(
    [
        ("read", pa.int64()),
        ("empty", pa.int64()),  # texts of nothing but white space, which are no documents
        ("broken", pa.int64()),
        ("error", pa.string()),
        ("skipped", pa.string()),
        ("full", pa.bool_()),
    ]
)


# One file at a time: a batch of files would wait for its largest.
@daft.func.batch(return_dtype=DataType.from_arrow_type(RESULT), use_process=True, batch_size=1)
def read_units(part: Series, *columns: Series) -> pa.Array:
    """Where to write each part, and columns of `Unit` in the order of `FIELDS`, to a `RESULT` a unit.

    Paths come as bytes: names of files need not be text.
    """
    units = [Unit(*values) for values in zip(*(column.to_pylist() for column in columns), strict=True)]
    units = [replace(unit, path=os.fsdecode(unit.path)) for unit in units]
    parts = [Path(os.fsdecode(path)) for path in part.to_pylist()]
    return pa.array([read_unit(unit, path) for unit, path in zip(units, parts, strict=True)], RESULT)


def read_unit(unit: Unit, part: Path) -> dict[str, Any]:
    """Write the documents of one file to `part`, unless it can't be read; how that went as a `RESULT`."""
    result: dict[str, Any] = {
        "read": 0,
        "empty": 0,
        "broken": 0,
        "error": None,
        "skipped": None,
        "full": False,
    }
    partial = part.with_name(f".{part.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(partial, PART, compression="zstd", compression_level=1) as writer:
            try:
                for rows in _grouped(_rows(unit, result)):
                    writer.write_table(pa.Table.from_pylist(rows, PART))
            except Skipped as error:
                result["skipped"] = str(error)
            noted = {name: str(result[name]) for name in NOTED if result[name]}
            writer.add_key_value_metadata(noted)
        partial.replace(part)
    except Unreadable as error:
        result["error"] = valid_text(str(error))  # it may quote the file
    except OSError as error:
        result["full"] = error.errno in (errno.ENOSPC, errno.EDQUOT)
        result["error"] = error.strerror or str(error)
    except Exception as error:  # a store's client has exceptions of its own; on disks there are no others
        if not is_url(unit.path):
            raise
        result["error"] = f"{type(error).__name__}: {error}"
    finally:
        partial.unlink(missing_ok=True)
    return result


def read_result(part: Path) -> dict[str, Any] | None:
    """The `RESULT` that goes with a part written earlier; None where there is none that can be read."""
    try:
        noted = pq.read_metadata(part).metadata or {}
    except (OSError, pa.ArrowInvalid):  # not there, or cut short when the power failed
        return None
    counted = {name: int(noted.get(name.encode(), b"0")) for name in NOTED[:3]}
    skipped = noted[b"skipped"].decode() if b"skipped" in noted else None
    return counted | {"error": None, "skipped": skipped, "full": False}


def part_name(unit: Unit) -> str | None:
    """The name of a unit's part; None where the file may change without a sign of it, or is not there."""
    try:
        version = stamp(unit.path)
    except OSError:  # whoever reads it says so
        return None
    # Rank and licence are columns that the part has not.
    options = astuple(replace(unit, rank=0, licence=""))
    return version and digest(version, repr(options), _reader())


@cache
def _reader() -> str:
    """What reads: our modules, Python (`ast`, `json`, its codecs) and the libraries that find texts."""
    here = Path(__file__).parent
    modules = [*sorted(here.glob("*.py")), here.parent / "documents.py", here.parent / "gutenberg.py"]
    versions = [platform.python_implementation(), sys.version]
    for package in ("charset-normalizer", "resiliparse", "fastwarc"):
        try:
            versions.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            versions.append("")
    return digest(*(module.read_text(encoding="utf-8") for module in modules), *versions)


def _rows(unit: Unit, counts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The documents of one file; `counts` keeps count."""
    for text in read_docstrings(unit) if unit.kind == "docstrings" else read_file(unit):
        if text.broken:
            counts["broken"] += 1
            counts["skipped"] = counts["skipped"] or valid_text(text.broken)
        elif text.text.strip():
            counts["read"] += 1
            yield _row(unit, text)
        else:
            counts["empty"] += 1


def _row(unit: Unit, text: Text) -> dict[str, Any]:
    valid = valid_text(text.text)
    meta = {"group": unit.group, "kind": unit.kind} | text.meta
    return {
        "id": document_id(valid),
        "text": valid,
        "size": len(valid.encode()),
        "uri": f"{unit.uri}#{text.fragment}" if text.fragment else unit.uri,
        "meta": sorted((name, valid_text(value)) for name, value in meta.items()),
    }


def _grouped(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in lists of at most `ROWS`, or of `CHARS` characters and the row that passes them."""
    group, chars = [], 0
    for row in rows:
        group.append(row)
        chars += len(row["text"])
        if len(group) == ROWS or chars >= CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group
