"""Reading outs into tables, and what became of each document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.errors import UserError


def read_table(root: Path, path: str, columns: list[str] | None = None) -> pd.DataFrame:
    """A Parquet out; maps are left out, or looked up by `columns`.

    Raises:
        UserError: when the file is missing, broken or lacks a column.
    """
    file = _existing(root, path)
    try:
        schema = pq.read_schema(file)
        wanted = (
            [field.name for field in schema if not pa.types.is_map(field.type)]
            if columns is None
            else columns
        )
        if absent := [name for name in wanted if name not in schema.names]:
            raise UserError(f"{path}: no column {', '.join(absent)}; found {', '.join(schema.names)}")
        return pq.read_table(file, columns=wanted).to_pandas()
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is no readable Parquet file ({error}); run its stage again") from None


def read_object(root: Path, path: str) -> Any:
    """A JSON out. `NaN` and `Infinity` are read as such: a gate is there to see them."""
    file = _existing(root, path)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no valid JSON ({error}); run its stage again") from None


def _existing(root: Path, path: str) -> Path:
    if not (root / path).is_file():
        raise UserError(f"{path} does not exist in {root.resolve()}; `dvc repro` makes it")
    return root / path


def flow(inputs: pd.DataFrame, kept: pd.Series, dropped: Iterable[str] = ()) -> pd.DataFrame:
    """What became of each document: id, source, outcome.

    The outcome is `kept` or `dropped`, or what must not happen: `lost`, `invented` (it was no input) or
    `kept and dropped`.

    Args:
        inputs: columns id and source of the documents that the stage read.
    """
    named = inputs.drop_duplicates("id").set_index("id")["source"]
    ids = pd.Index(named.index).union(pd.Index(kept)).union(pd.Index(list(dropped), dtype=object)).unique()
    is_input, is_kept, is_dropped = (ids.isin(list(some)) for some in (named.index, kept, dropped))
    outcome = np.select(
        [~is_input, is_kept & is_dropped, is_kept, is_dropped],
        ["invented", "kept and dropped", "kept", "dropped"],
        "lost",
    )
    return pd.DataFrame({"id": ids, "source": named.reindex(ids).to_numpy(), "outcome": outcome})


def figures(tree: Any, prefix: str = "") -> dict[str, float | int | str]:
    """The scalars of nested mappings by dotted key; null is NaN, so that columns stay numbers."""
    found: dict[str, float | int | str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= figures(value, f"{name}.")
        elif not isinstance(value, list):
            found[name] = math.nan if value is None else value
    return found


def finite(value: Any) -> bool:
    """Whether a value is a number, and neither NaN nor infinite."""
    return isinstance(value, int | float) and math.isfinite(value)


def utf8_bytes(texts: pd.Series) -> list[int]:
    """Length of each text in UTF-8; 0 for a missing one."""
    return [len(text.encode("utf-8")) if isinstance(text, str) else 0 for text in texts]
