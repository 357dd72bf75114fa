"""Rows of a task's files, each with the place it stands at: TSV, JSONL, Parquet, here or on the hub.

TSV has a header row, and no quoting: a quote character is text, as in GLUE and in the files of most
papers. Readers that unquote join such lines and lose rows without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gptmill.errors import UserError, nearest
from gptmill.params.finetune import ReadTask

FORMATS = (".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row: `place` is unique within the task, such as `train.tsv:17` (line) or `a.parquet:0` (row)."""

    place: str
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


def split_rows(task: ReadTask, split: str, where: str) -> list[Row]:
    """The rows of one split's files.

    Raises:
        UserError: when there is no such file, its format is not known, or a row can't be read.
    """
    pattern = getattr(task.files, split)
    root = _root(task, pattern, where)
    files = sorted(p for p in root.rglob("*") if fnmatchcase(p.relative_to(root).as_posix(), pattern))
    files = [path for path in files if path.is_file()]
    if not files:
        raise UserError(
            f"{where}.files.{split}: no file matches {pattern!r} in {task.folder or task.dataset}"
        )
    return [row for path in files for row in _rows(path, path.relative_to(root).as_posix(), where)]


def _root(task: ReadTask, pattern: str, where: str) -> Path:
    if task.folder is not None:
        root = Path(task.folder).expanduser()
        if not root.is_dir():
            raise UserError(f"{where}.folder: {task.folder} is no folder (from {Path.cwd()})")
        return root

    from gptmill.corpus.sources.huggingface import snapshot
    from gptmill.params.collect import HuggingFace

    assert task.dataset is not None and task.revision is not None  # noqa: PT018  (ReadTask checks it)
    source = HuggingFace(
        name="task",
        kind="huggingface",
        dataset=task.dataset,
        revision=task.revision,
        files=pattern,
        licence="unknown",
    )
    return snapshot(source, f"{where}: dataset {task.dataset} at {task.revision}")


def _rows(path: Path, name: str, where: str) -> Iterator[Row]:
    match path.suffix:
        case ".tsv":
            return _tsv(path, name, where)
        case ".jsonl":
            return _jsonl(path, name, where)
        case ".parquet":
            return _parquet(path, name, where)
    raise UserError(f"{where}: {name}: no such format can be read. Allowed: {', '.join(FORMATS)}")


def _lines(path: Path, name: str, where: str) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"{where}: {name}, line {line}: not UTF-8. Convert the file to UTF-8.") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]  # other line ends may stand in a text
    return lines[:-1] if lines[-1] == "" else lines


def _tsv(path: Path, name: str, where: str) -> Iterator[Row]:
    lines = _lines(path, name, where)
    header = lines[0].split("\t") if lines else []
    if len(set(header)) < len(header):
        raise UserError(f"{where}: {name}, line 1: the header names a column twice: {', '.join(header)}")
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise UserError(
                f"{where}: {name}, line {number}: {len(fields)} fields, but the header has {len(header)}. "
                "Fields are what stands between tabs; there is no quoting."
            )
        yield Row(f"{name}:{number}", dict(zip(header, fields, strict=True)))


def _jsonl(path: Path, name: str, where: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(path, name, where), 1):
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UserError(f"{where}: {name}, line {number}: not JSON: {error}") from None
        if not isinstance(values, dict):
            raise UserError(f"{where}: {name}, line {number}: each line must be an object")
        yield Row(f"{name}:{number}", values)


def _parquet(path: Path, name: str, where: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{where}: {name}: not a whole Parquet file: {str(error).splitlines()[0]}") from None
    for number, values in enumerate(rows):
        yield Row(f"{name}:{number}", values)


def value(row: Row, column: str, key: str) -> Any:
    """What stands in a column that params.yaml names at `key`.

    Raises:
        UserError: when the row has no such column, or nothing in it.
    """
    if column not in row.values:
        found = ", ".join(row.values)
        raise UserError(
            f"{key} = {column}: {row.place} has no such column{nearest(column, row.values) or '.'} Found: {found}"
        )
    if row[column] is None:
        raise UserError(f"{key}: {row.place}: {column} is null")
    return row[column]


def text(row: Row, columns: str | list[str], key: str) -> str:
    """The text of a column, or of several joined by a space."""
    parts = []
    for column in [columns] if isinstance(columns, str) else columns:
        part = value(row, column, key)
        if not isinstance(part, str):
            raise UserError(f"{key}: {row.place}: {column} is of type {type(part).__name__}, not a text")
        parts.append(part)
    return " ".join(parts)
