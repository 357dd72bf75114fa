"""What gate@clean looks at: documents, dropped, flow, sources."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gptmill.gates.views.reading import flow, read_table

OUT = "data/clean"


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """documents and dropped (with all their signals), flow (every collected document), sources."""
    documents = read_table(root, f"{OUT}/documents.parquet")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    collected = read_table(root, "data/collect/documents.parquet", ["id", "source"])
    fate = flow(collected, documents["id"], dropped["id"])
    return {"documents": documents, "dropped": dropped, "flow": fate, "sources": sources(fate)}


def sources(fate: pd.DataFrame) -> pd.DataFrame:
    """One row a source: how many of its documents were collected, kept and dropped."""
    counts = pd.crosstab(fate["source"], fate["outcome"]).reindex(columns=["kept", "dropped"], fill_value=0)
    counts.insert(0, "collected", fate.groupby("source").size())
    counts["kept_fraction"] = counts["kept"] / counts["collected"]
    return counts.rename_axis(columns=None).reset_index()
