"""Files of test examples, as a task's authors publish them: .tsv, .jsonl, .parquet, .txt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptmill.errors import UserError, nearest
from gptmill.params.dedupe import TaskFile

Row = tuple[int, dict[str | int, Any]]  # its number and its cells by column
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_examples(task: TaskFile) -> tuple[list[str], list[str]]:
    """The ids and texts of a file's examples: an id is the file's row and the column, `17` or `17.question`.

    Rows count from 1, in a .tsv with a header line from the line after it. In a .tsv and a .jsonl, empty lines
    count and hold no example.

    Raises:
        UserError: on a missing or broken file, an unknown column, a cell that is no text, no text at all.
    """
    path = Path(task.path)
    where = f"dedupe.decontaminate.against.{task.name}: {path}"
    if not path.is_file():
        raise UserError(f"{where} does not exist in {Path.cwd()}")
    try:
        found = list(_cells(path, task.columns, where))
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8: {error}") from None
    if not any(text.strip() for _, text in found):
        raise UserError(f"{where} holds no text")
    return [name for name, _ in found], [text for _, text in found]


def _cells(path: Path, columns: list[str | int], where: str) -> Iterator[tuple[str, str]]:
    rows = {".txt": _txt, ".tsv": _tsv, ".jsonl": _jsonl, ".parquet": _parquet}[path.suffix]
    for number, row in rows(path, columns, where):
        for column, value in row.items():
            if value is not None and not isinstance(value, str):
                raise UserError(f"{where}, row {number}: {column} holds {value!r}, which is no text")
            if value and (half := _SURROGATE.search(value)):
                raise UserError(
                    f"{where}, row {number}: {column} holds {half[0]!r}, which is half of a character: "
                    "write the other half after it, or the character itself"
                )
            yield (f"{number}.{column}" if len(columns) > 1 else str(number)), value or ""


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file, without their ends and without a BOM."""
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            yield line.rstrip("\n")


def _txt(path: Path, _columns: list[str | int], _where: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        yield number, {"text": line}


def _tsv(path: Path, columns: list[str | int], where: str) -> Iterator[Row]:
    # Public tasks hold bare quote characters: a quote is a character like any other.
    lines = _lines(path)
    header = next(lines, "").split("\t") if isinstance(columns[0], str) else []
    places = [_place(column, header, where) for column in columns]
    for number, line in enumerate(lines, start=1):
        if line:
            row = line.split("\t")
            if len(row) <= max(places):
                raise UserError(f"{where}, row {number}: {len(row)} columns, no column {max(places)}")
            yield number, {column: row[place] for column, place in zip(columns, places, strict=True)}


def _place(column: str | int, header: list[str], where: str) -> int:
    if isinstance(column, int):
        return column
    if column not in header:
        raise UserError(_no_column(column, header, where))
    return header.index(column)


def _no_column(column: str | int, found: list[str], where: str) -> str:
    return f'{where}: no column "{column}"{nearest(str(column), found)} Found: {", ".join(found)}'


def _jsonl(path: Path, columns: list[str | int], where: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{where}, row {number}: no valid JSON ({error})") from None
            if not isinstance(row, dict):
                raise UserError(f"{where}, row {number}: expected an object, found {type(row).__name__}")
            if absent := [column for column in columns if column not in row]:
                raise UserError(_no_column(absent[0], sorted(row), f"{where}, row {number}"))
            yield number, {column: row[column] for column in columns}


def _parquet(path: Path, columns: list[str | int], where: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        if absent := [column for column in columns if column not in names]:
            raise UserError(_no_column(absent[0], names, where))
        yield from enumerate(pq.read_table(path, columns=columns).to_pylist(), start=1)
    except pa.ArrowInvalid as error:
        raise UserError(f"{where} is no readable Parquet file: {error}") from None
