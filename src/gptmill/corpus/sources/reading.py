"""From units to rows: the Daft UDF that reads files in worker processes, and how its failures come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import daft
import pyarrow as pa
from daft import DataType, Series

from gptmill.corpus.documents import document_id
from gptmill.corpus.sources.docstrings import read_docstrings
from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.units import Skipped, Text, Unit, Unreadable, valid_text

FIELDS = [field.name for field in fields(Unit)]
META = pa.map_(pa.string(), pa.string())
ROW = pa.struct([("id", pa.string()), ("text", pa.string()), ("uri", pa.string()), ("meta", META)])

# What reading one unit gives: its documents, or `error` (mend it) or `skipped` (a warning), never an
# exception: in a worker process that would lose its type.
RESULT = pa.struct(
    [
        ("rows", pa.list_(ROW)),
        ("empty", pa.int64()),  # texts of nothing but white space, which are no documents
        ("error", pa.string()),
        ("skipped", pa.string()),
    ]
)


@daft.func.batch(return_dtype=DataType.from_arrow_type(RESULT), use_process=True, batch_size=8)
def read_units(*columns: Series) -> pa.Array:
    """Columns of `Unit`, in the order of `FIELDS`, to a `RESULT` for each unit."""
    units = [Unit(*values) for values in zip(*(column.to_pylist() for column in columns), strict=True)]
    return pa.array([read_unit(unit) for unit in units], RESULT)


def read_unit(unit: Unit) -> dict[str, Any]:
    """The documents of one file as a `RESULT`."""
    result: dict[str, Any] = {"rows": [], "empty": 0, "error": None, "skipped": None}
    try:
        for text in read_texts(unit):
            if text.text.strip():
                result["rows"].append(_row(unit, text))
            else:
                result["empty"] += 1
    except Unreadable as error:
        result |= {"rows": [], "error": str(error)}
    except Skipped as error:
        result |= {"rows": [], "skipped": str(error)}
    except OSError as error:
        result |= {"rows": [], "error": error.strerror or str(error)}
    return result


def read_texts(unit: Unit) -> Iterator[Text]:
    """The texts of one file, by the kind of its source."""
    return read_docstrings(unit) if unit.kind == "docstrings" else read_file(unit)


def _row(unit: Unit, text: Text) -> dict[str, Any]:
    valid = valid_text(text.text)
    return {
        "id": document_id(valid),
        "text": valid,
        "uri": f"{unit.uri}#{text.fragment}" if text.fragment else unit.uri,
        "meta": sorted(({"group": unit.group, "kind": unit.kind} | text.meta).items()),
    }
