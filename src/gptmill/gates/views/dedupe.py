"""What gate@dedupe looks at: documents, dropped, flow, clusters, splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gptmill.corpus.documents import document_id
from gptmill.gates.views.reading import flow, read_table, utf8_bytes

OUT = "data/dedupe"
SPLITS = ("train", "validation", "test")


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """documents (with text_key), dropped (with cause, and kept: its kept_id stays), flow, clusters, splits."""
    documents = read_table(root, f"{OUT}/documents.parquet")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    cleaned = read_table(root, "data/clean/documents.parquet", ["id", "source"])
    documents["text_key"] = [text_key(text) for text in documents["text"]]
    # Not pandas' own `partition`, which of no rows makes no columns.
    reasons = [reason.partition(":") for reason in dropped["reason"].fillna("")]
    dropped["cause"] = [cause for cause, _, _ in reasons]
    dropped["against"] = [against for _, _, against in reasons]
    dropped["kept"] = kept(documents, dropped)
    return {
        "documents": documents,
        "dropped": dropped,
        "flow": flow(cleaned, documents["id"], dropped["id"]),
        "clusters": clusters(documents, dropped),
        "splits": splits(documents, groups(root, documents)),
    }


def text_key(text: str | None) -> str | None:
    """A hash that exact duplicates share: they differ in case and white space at most."""
    return document_id(" ".join(text.lower().split())) if isinstance(text, str) else None


def kept(documents: pd.DataFrame, dropped: pd.DataFrame) -> pd.Series:
    """Is the document that each was dropped for here? Missing where it is an example of a task's file.

    A contaminated one was dropped for a document of another split than its own.
    """
    split = dropped["kept_id"].map(documents.drop_duplicates("id").set_index("id")["split"])
    contaminated = dropped["cause"] == "contaminated"
    stays = split.notna() & (~contaminated | (split == dropped["against"]))
    return stays.astype(object).where(~contaminated | dropped["against"].isin(SPLITS), None)


def clusters(documents: pd.DataFrame, dropped: pd.DataFrame) -> pd.DataFrame:
    """One row a cluster: members, kept (how many stay), splits (how many sides it lies on), outcome.

    The outcome is `one kept`, `all contaminated`, or what must not happen: `none kept`, `several kept`,
    `partly contaminated`.
    """
    columns = ["cluster", "split"]
    members = pd.concat(
        [
            documents[columns].assign(kept=1, contaminated=0),
            dropped[columns].assign(kept=0, contaminated=(dropped["cause"] == "contaminated").astype(int)),
        ]
    )
    grouped = members.groupby("cluster")
    table = pd.DataFrame(
        {"members": grouped.size(), "kept": grouped["kept"].sum(), "splits": grouped["split"].nunique()}
    )
    contaminated = grouped["contaminated"].sum()
    table["outcome"] = np.select(
        [
            contaminated == table["members"],
            contaminated > 0,
            table["kept"] == 1,
            table["kept"] == 0,
        ],
        ["all contaminated", "partly contaminated", "one kept", "none kept"],
        "several kept",
    )
    return table.reset_index()


def groups(root: Path, documents: pd.DataFrame) -> pd.Series:
    """The group (package, file) of each document, from `meta`; missing where it has none."""
    meta = read_table(root, f"{OUT}/documents.parquet", ["meta"])["meta"]
    return pd.Series([dict(pairs).get("group") for pairs in meta], documents.index, dtype=object)


def splits(documents: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """One row a split, also an empty one: documents, bytes, n_groups, and the fraction of all documents."""
    sized = documents[["split"]].assign(bytes=utf8_bytes(documents["text"]), group=group)
    names = [*SPLITS, *sorted(set(sized["split"].dropna()) - set(SPLITS))]
    grouped = sized.groupby("split")
    table = pd.DataFrame(
        {
            "documents": grouped.size(),
            "bytes": grouped["bytes"].sum(),
            "n_groups": grouped["group"].nunique(),
        }
    ).reindex(names, fill_value=0)
    table["fraction"] = table["documents"] / max(1, len(documents))
    return table.rename_axis("split").reset_index()
