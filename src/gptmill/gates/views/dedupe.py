"""What gate@dedupe looks at: documents, dropped, flow, clusters, splits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gptmill.corpus.documents import document_id
from gptmill.gates.views.reading import flow, read_table, utf8_bytes

OUT = "data/dedupe"
SPLITS = ("train", "validation", "test")


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """documents (with text_key), dropped (with kept: its kept_id stays), flow, clusters, splits."""
    documents = read_table(root, f"{OUT}/documents.parquet")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    cleaned = read_table(root, "data/clean/documents.parquet", ["id", "source"])
    documents["text_key"] = [text_key(text) for text in documents["text"]]
    dropped["kept"] = dropped["kept_id"].isin(documents["id"])
    return {
        "documents": documents,
        "dropped": dropped,
        "flow": flow(cleaned, documents["id"], dropped["id"]),
        "clusters": clusters(documents, dropped),
        "splits": splits(documents),
    }


def text_key(text: str | None) -> str | None:
    """A hash that exact duplicates share: they differ in case and white space at most."""
    return document_id(" ".join(text.lower().split())) if isinstance(text, str) else None


def clusters(documents: pd.DataFrame, dropped: pd.DataFrame) -> pd.DataFrame:
    """One row a cluster: members, kept (how many of them stay), splits (how many sides it lies on)."""
    columns = ["cluster", "split"]
    members = pd.concat([documents[columns].assign(kept=1), dropped[columns].assign(kept=0)])
    grouped = members.groupby("cluster")
    return pd.DataFrame(
        {"members": grouped.size(), "kept": grouped["kept"].sum(), "splits": grouped["split"].nunique()}
    ).reset_index()


def splits(documents: pd.DataFrame) -> pd.DataFrame:
    """One row a split, also an empty one: documents, bytes, and the fraction of all documents."""
    sized = documents[["split"]].assign(bytes=utf8_bytes(documents["text"]))
    names = [*SPLITS, *sorted(set(sized["split"].dropna()) - set(SPLITS))]
    grouped = sized.groupby("split")["bytes"]
    table = pd.DataFrame({"documents": grouped.size(), "bytes": grouped.sum()}).reindex(names, fill_value=0)
    table["fraction"] = table["documents"] / max(1, len(documents))
    return table.rename_axis("split").reset_index()
