"""Finding documents in the outs of collect, clean and dedupe by id, by the beginning of one, or by uri.

Files are sorted by id, so a search by id reads the one group of rows whose statistics allow it; a search
by uri reads the column of uris. No table is read whole.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from gptmill.errors import UserError

Row = dict[str, Any]

SHOWN = 5
_ID = re.compile(r"[0-9a-f]{1,32}")
# Where a document can be, in the order of the flow.
TABLES = (
    "collect/documents",
    "collect/dropped",
    "clean/documents",
    "clean/dropped",
    "dedupe/documents",
    "dedupe/dropped",
)
_STATES = {"documents": "kept", "dropped": "dropped", "repeats": "a repeat of another"}


def table(data: Path, name: str) -> ds.Dataset | None:
    """The Parquet file `data`/`name`.parquet; None where its stage has not written it."""
    path = data / f"{name}.parquet"
    return ds.dataset(path) if path.is_file() else None


def row(data: Path, name: str, document: str) -> Row | None:
    """The row of one document, all columns."""
    rows = select(data, name, pc.field("id") == document)
    return rows[0] if rows else None


def select(
    data: Path, name: str, where: ds.Expression, columns: list[str] | None = None, limit: int | None = None
) -> list[Row]:
    """The rows of a table that `where` is true of, in the file's order, up to `limit`."""
    source = table(data, name)
    if source is None:
        return []
    found: list[Row] = []
    for batch in source.scanner(columns, filter=where, batch_size=1024).to_batches():
        found += batch.to_pylist()
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def find(data: Path, wanted: str) -> list[str]:
    """The ids that `wanted` stands for: one for an id, its beginning or a uri; all pieces of a file that was split.

    Raises:
        UserError: when there is none (with the nearest), or when a beginning fits several.
    """
    if not any(table(data, name) for name in TABLES):
        raise UserError(f"{data}: no stage has written documents yet; run `dvc repro collect` first")
    if _ID.fullmatch(wanted):
        if ids := _beginning(data, wanted):
            if len(ids) > 1:
                raise UserError(
                    f"{wanted} begins the ids of more than one document: {_list(ids)}. Give more of it"
                )
            return ids
        if ids := _at(data, wanted):
            return ids
        raise UserError(f"no document has an id that begins with {wanted}{_nearest_id(data, wanted)}")
    if ids := _at(data, wanted):
        return ids
    raise UserError(f"no document has the id or the uri {wanted!r}{_nearest_uri(data, wanted)}")


def fates(data: Path, uri: str) -> list[Row]:
    """The last stage that saw each piece of the file at `uri`, and what it did, in the order of the pieces."""
    found: dict[str, Row] = {}
    for name in (*reversed(TABLES), "collect/repeats"):  # from the last stage to the first
        source = table(data, name)
        if source is None:
            continue
        stage, side = name.split("/")
        also = [column for column in ("reason", "split") if column in source.schema.names]
        for match in select(data, name, _pieces_of(uri), ["id", "uri", *also]):
            state = _STATES[side] + "".join(f": {match[column]}" for column in also[:1])
            found.setdefault(
                match["uri"], {"id": match["id"], "uri": match["uri"], "stage": stage, "state": state}
            )
    return sorted(found.values(), key=lambda piece: _natural(piece["uri"]))


def _natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts #2 before #10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", text)]


def _beginning(data: Path, prefix: str) -> list[str]:
    """Up to `SHOWN` + 1 ids that begin with `prefix`."""
    inside = (pc.field("id") >= prefix) & (pc.field("id") < prefix + "g")  # "g" follows the last digit, "f"
    found: set[str] = set()
    for name in TABLES:
        found.update(row["id"] for row in select(data, name, inside, ["id"], SHOWN + 1))
    return sorted(found)[: SHOWN + 1]


def _at(data: Path, uri: str) -> list[str]:
    """The ids of the documents at `uri`, or of all pieces of the file that it names."""
    for where in (pc.field("uri") == uri, _pieces_of(uri)):
        found: set[str] = set()
        for name in ("collect/repeats", *TABLES):
            found.update(match["id"] for match in select(data, name, where, ["id"]))
        if found:
            return sorted(found)
    return []


def _pieces_of(uri: str) -> ds.Expression:
    return pc.starts_with(pc.field("uri"), f"{uri}#")


def _nearest_id(data: Path, wanted: str) -> str:
    for length in range(len(wanted) - 1, 1, -1):
        if ids := _beginning(data, wanted[:length]):
            return f". Nearest: {_list(ids)}"
    return ". An id is 32 hexadecimal digits; those of a stage stand in the column id of its tables"


def _nearest_uri(data: Path, wanted: str) -> str:
    """Uris that contain what was asked for, or one to show what they look like."""
    for name in TABLES:
        contains = pc.match_substring(pc.field("uri"), wanted, ignore_case=True)
        if rows := select(data, name, contains, ["uri"], SHOWN + 1):
            return f". Uris that contain it: {_list([row['uri'] for row in rows])}"
    for name in TABLES:
        if rows := select(data, name, pc.scalar(True), ["id", "uri"], 1):
            return f". A document is named by its id or its uri, such as {rows[0]['id']} or {rows[0]['uri']}"
    return ""


def _list(names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
