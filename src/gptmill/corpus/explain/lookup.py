"""Finding documents in the outs of collect, clean and dedupe by id, by the beginning of one, or by uri.

Files are sorted by id, so a search by id reads the one group of rows whose statistics allow it; a search
by uri reads the column of uris. No table is read whole.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
    """The ids that `wanted` stands for: one for an id or its beginning; those of all that `fates` finds for a uri.

    Raises:
        UserError: when there is none (with the nearest), or when a beginning fits several.
    """
    if not any(table(data, name) for name in TABLES):
        raise UserError(f"{data}: no stage has written documents yet; run `dvc repro collect` first")
    if _ID.fullmatch(prefix := wanted.lower()):
        if ids := _beginning(data, prefix):
            if len(ids) > 1:
                raise UserError(
                    f"{prefix} begins the ids of more than one document: {_list(ids)}. Give more of it"
                )
            return ids
        if ids := _at(data, wanted):
            return ids
        raise UserError(f"no document has an id that begins with {prefix}{_nearest_id(data, prefix)}")
    if ids := _at(data, wanted):
        return ids
    raise UserError(f"no document has the id or the uri {wanted!r}{_nearest_uri(data, wanted)}")


def fates(data: Path, uri: str) -> list[Row]:
    """What became of the documents at `uri`, and of the pieces of files split: the last stage that saw each,
    and what it did.

    Sources may have files of the same name, so of the same uri; each has its own. `uri` may be given as it
    is written in a folder, with spaces. In the order of the sources and of the pieces.
    """
    return _fates(data, uri) or _fates(data, _quoted(uri))


def _fates(data: Path, uri: str) -> list[Row]:
    found: dict[tuple[str, ...], Row] = {}
    where = (pc.field("uri") == uri) | pc.starts_with(pc.field("uri"), f"{uri}#")
    for name in (*reversed(TABLES), "collect/repeats"):  # from the last stage to the first
        source = table(data, name)
        if source is None:
            continue
        stage, side = name.split("/")
        also = [column for column in ("reason", "split") if column in source.schema.names]
        for match in select(data, name, where, ["id", "source", "uri", *also]):
            state = _STATES[side] + "".join(f": {match[column]}" for column in also[:1])
            place = {column: match[column] for column in ("id", "source", "uri")}
            found.setdefault(tuple(place.values()), place | {"stage": stage, "state": state})
    # A module's docstring is at the uri of its file, those of its functions behind it: they are no pieces.
    whole = {place["source"] for place in found.values() if place["uri"] == uri}
    pieces = [place for place in found.values() if place["uri"] == uri or place["source"] not in whole]
    return sorted(pieces, key=lambda piece: (piece["source"], _natural(piece["uri"]), piece["id"]))


def _quoted(name: str) -> str:
    """The name of a file as uris have it."""
    return quote(os.fsencode(name), safe="/:@#")


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
    return sorted({place["id"] for place in fates(data, uri)})


def _nearest_id(data: Path, wanted: str) -> str:
    for length in range(len(wanted) - 1, 1, -1):
        if ids := _beginning(data, wanted[:length]):
            return f". Nearest: {_list(ids)}"
    return ". An id is 32 hexadecimal digits; those of a stage stand in the column id of its tables"


def _nearest_uri(data: Path, wanted: str) -> str:
    """Uris that contain what was asked for, or one to show what they look like."""
    as_given, quoted = (
        pc.match_substring(pc.field("uri"), name, ignore_case=True) for name in (wanted, _quoted(wanted))
    )
    for name in TABLES:
        if rows := select(data, name, as_given | quoted, ["uri"], SHOWN + 1):
            return f". Uris that contain it: {_list([row['uri'] for row in rows])}"
    for name in TABLES:
        if rows := select(data, name, pc.scalar(True), ["id", "uri"], 1):
            return f". A document is named by its id or its uri, such as {rows[0]['id']} or {rows[0]['uri']}"
    return ""


def _list(names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
