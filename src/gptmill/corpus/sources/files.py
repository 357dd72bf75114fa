"""Files: .txt and .md, .jsonl, .parquet, .html, .warc and .wet, each also compressed as .gz or .zst.

A text file is one document, or as many as `max_chars` makes of it; a row of JSON lines or Parquet, a page
or a record of a WARC file is one document.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gptmill.corpus.gutenberg import sections
from gptmill.corpus.sources.compression import COMPRESSIONS, read_chunks, read_lines, read_whole
from gptmill.corpus.sources.encodings import decode, shown
from gptmill.corpus.sources.splitting import split_paragraphs
from gptmill.corpus.sources.stores import opened
from gptmill.corpus.sources.units import Text, Unit, Unreadable
from gptmill.corpus.sources.web import read_html, read_warc

ROWS = 1024  # read from Parquet at a time, or as many as are about BYTES
BYTES = 4 << 20
JSON_TYPES = {int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}


def read_file(unit: Unit) -> Iterator[Text]:
    """The texts of one file, in the order of the file.

    Raises:
        Unreadable: when the file is broken, truncated, in no known encoding, or lacks the text column.
    """
    yield from READERS[file_format(unit.path)](unit)


def file_format(name: str) -> str:
    """The suffix of a file's name that says how to read it, such as ".jsonl" for a.jsonl.gz."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _read_text(unit: Unit) -> Iterator[Text]:
    data = read_whole(read_chunks(unit.path, unit.max_ratio), unit.max_bytes)
    decoded = decode(data, unit.encoding)
    pieces = [
        (section, piece)
        for section, text in sections(decoded.text)
        for piece in split_paragraphs(text, unit.max_chars)
    ]
    for number, (section, piece) in enumerate(pieces, 1):
        meta = {"encoding": decoded.encoding} | ({"section": section} if section else {})
        if len(pieces) == 1:
            yield Text(piece, "", meta)
        else:
            yield Text(piece, str(number), meta | {"part": f"{number}/{len(pieces)}"})


def _read_jsonl(unit: Unit) -> Iterator[Text]:
    lines = read_lines(read_chunks(unit.path, unit.max_ratio), unit.max_bytes)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode(unit.encoding or "utf-8-sig"))
        except UnicodeDecodeError as error:
            raise Unreadable(
                f"line {number}: byte {line[error.start]:#04x} at its offset {error.start} is not "
                f"{shown(unit.encoding or 'utf-8')}. JSON lines are UTF-8; mend the line or give the file's `encoding`."
            ) from None
        except json.JSONDecodeError as error:
            raise Unreadable(
                f"line {number} is not JSON: column {error.colno}: {error.msg}. Mend or remove the line."
            ) from None
        except RecursionError:
            raise Unreadable(f"line {number} is nested too deeply. Mend or remove the line.") from None
        except ValueError as error:  # a whole number of thousands of digits
            raise Unreadable(f"line {number} can't be read: {error}. Mend or remove the line.") from None
        if not isinstance(row, dict):
            raise Unreadable(
                f"line {number} holds {_json_type(row)}; each line must be an object, such as "
                f'{{"{unit.text_column}": "..."}}. Mend or remove the line.'
            )
        if unit.text_column not in row:
            raise Unreadable(f"line {number}: {_no_column(unit.text_column, list(row))}")
        text = row[unit.text_column]
        if not isinstance(text, str):
            raise Unreadable(
                f'line {number}: "{unit.text_column}" is {_json_type(text)}, not a string. Mend or remove the '
                "line, or name another column in `text_column`."
            )
        yield Text(text, str(number))


def _read_parquet(unit: Unit) -> Iterator[Text]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name, number = unit.text_column, 0
    try:
        with _seekable(unit) as data, pq.ParquetFile(data) as file:
            if name not in file.schema_arrow.names:
                raise Unreadable(_no_column(name, file.schema_arrow.names))
            kind = file.schema_arrow.field(name).type
            value = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (
                pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
            ):
                raise Unreadable(
                    f'column "{name}" is of type {kind}, not string. Name a column of strings in `text_column`.'
                )
            for batch in _batches(file, name):
                for text in batch.column(0).to_pylist():
                    number += 1
                    if text is None:
                        raise Unreadable(
                            f'row {number}: "{name}" is null, not a string. Fill or remove the row, or name '
                            "another column in `text_column`."
                        )
                    yield Text(text, str(number))
    except UnicodeDecodeError as error:
        raise Unreadable(f'row {number + 1} or after: "{name}" is not UTF-8 ({error.reason}).') from None
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise Unreadable(f"not a whole Parquet file: {str(error).splitlines()[0]}") from None


def _batches(file: Any, name: str) -> Iterator[Any]:
    """The column in batches within row groups: across them, `iter_batches` would hold several."""
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group)
        rows = BYTES * size.num_rows // max(1, size.total_byte_size)
        yield from file.iter_batches(min(max(1, rows), ROWS), [group], [name], use_threads=False)


def _json_type(value: object) -> str:
    return "null" if value is None else JSON_TYPES.get(type(value), "a string")


def _seekable(unit: Unit) -> BinaryIO:
    if Path(unit.path).suffix.lower() in COMPRESSIONS:
        return io.BytesIO(read_whole(read_chunks(unit.path, unit.max_ratio), unit.max_bytes))
    return opened(unit.path)


def _no_column(name: str, columns: list[str]) -> str:
    found = ", ".join(columns) or "none"
    return f'no column "{name}". Columns found: {found}. Name the one that holds the text in `text_column`.'


READERS: dict[str, Callable[[Unit], Iterator[Text]]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".html": read_html,
    ".htm": read_html,
    ".warc": read_warc,
    ".wet": read_warc,
}
