"""What gate@collect looks at: documents, repeats, dropped, sources, licences."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from gptmill.corpus.documents import document_id
from gptmill.gates.views.reading import read_object, read_table, utf8_bytes

OUT = "data/collect"
# SPDX writes its operators in capitals: "public domain in the USA" has none, "MIT OR Apache-2.0" one.
_OPERATOR = re.compile(r"\s+(?:AND|OR)\s+")


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """documents (with text_id, the id that the text should have), repeats, dropped, sources, licences."""
    documents = read_table(root, f"{OUT}/documents.parquet")
    repeats = read_table(root, f"{OUT}/repeats.parquet")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    documents["text_id"] = [
        document_id(text) if isinstance(text, str) else None for text in documents["text"]
    ]
    repeats["kept"] = repeats["id"].isin(documents["id"])
    return {
        "documents": documents,
        "repeats": repeats,
        "dropped": dropped,
        "sources": sources(root, documents, repeats, dropped),
        "licences": licences(documents),
    }


def sources(
    root: Path, documents: pd.DataFrame, repeats: pd.DataFrame, dropped: pd.DataFrame
) -> pd.DataFrame:
    """One row a source, also for those that yielded nothing.

    `read`, `documents`, `repeats`, `dropped`, `bytes` and more are what collect counted; `table_documents`,
    `table_repeats`, `table_dropped` and `table_bytes` what the tables hold; `lost` = read - documents -
    repeats - dropped.
    """
    counted = pd.DataFrame.from_dict(read_object(root, f"{OUT}/sources.json"), orient="index")
    counted = counted.reindex(
        columns=list(dict.fromkeys([*counted, "read", "documents", "repeats", "dropped", "bytes"]))
    )
    held = pd.DataFrame(
        {
            "table_documents": documents.groupby("source").size(),
            "table_repeats": repeats.groupby("source").size(),
            "table_dropped": dropped.groupby("source").size(),
            "table_bytes": documents.assign(n=utf8_bytes(documents["text"])).groupby("source")["n"].sum(),
        }
    )
    table = counted.join(held, how="outer").sort_index()
    numbers = table.columns.difference(["kind"])
    table[numbers] = table[numbers].fillna(0).astype("int64")
    table["lost"] = table["read"] - table["documents"] - table["repeats"] - table["dropped"]
    return table.rename_axis("source").reset_index()


def licences(documents: pd.DataFrame) -> pd.DataFrame:
    """One row for each document and each licence id in its expression: id, licence, expression, source.

    Also the ids behind an OR: which side was chosen is for a person to say, in the allow-list.
    """
    table = documents[["id", "licence", "source"]].rename(columns={"licence": "expression"})
    ids = {text: licence_ids(text) for text in table["expression"].unique()}
    table.insert(1, "licence", table["expression"].map(ids))
    return table.explode("licence", ignore_index=True)


def licence_ids(expression: str | None) -> list[str]:
    """The ids in an SPDX expression (`X WITH exception` is one), in order; a free text is one id."""
    if not isinstance(expression, str):
        return []
    parts = _OPERATOR.split(expression)
    return [part.strip("() ") for part in parts] if len(parts) > 1 else parts
