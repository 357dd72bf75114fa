"""What gate@clean looks at: documents, dropped, flow, sources, pii."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gptmill.corpus.signals import PII_KINDS
from gptmill.gates.views.reading import flow, read_object, read_table

OUT = "data/clean"


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """documents and dropped (with all their signals), flow (every collected document), sources, pii."""
    documents = read_table(root, f"{OUT}/documents.parquet")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    collected = read_table(root, "data/collect/documents.parquet", ["id", "source"])
    fate = flow(collected, documents["id"], dropped["id"])
    return {
        "documents": documents,
        "dropped": dropped,
        "flow": fate,
        "sources": sources(fate),
        "pii": pii(documents, read_object(root, f"{OUT}/pii.json")),
    }


def sources(fate: pd.DataFrame) -> pd.DataFrame:
    """One row a source: how many of its documents were collected, kept and dropped."""
    counts = pd.crosstab(fate["source"], fate["outcome"]).reindex(columns=["kept", "dropped"], fill_value=0)
    counts.insert(0, "collected", fate.groupby("source").size())
    counts["kept_fraction"] = counts["kept"] / counts["collected"]
    return counts.rename_axis(columns=None).reset_index()


def pii(documents: pd.DataFrame, reported: dict[str, int]) -> pd.DataFrame:
    """One row a kind: how much the documents kept had of it (`found`), by pii.json too (`reported`)."""
    found = {kind: int(documents[f"pii_{kind}"].sum()) for kind in PII_KINDS}
    table = pd.DataFrame({"kind": PII_KINDS, "found": found.values()})
    table["reported"] = [reported.get(kind, 0) for kind in PII_KINDS]
    table["difference"] = table["found"] - table["reported"]
    table["per_document"] = table["found"] / max(1, len(documents))
    return table
