"""What gate@pairs looks at: pairs, dropped, splits, files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gptmill.gates.views.reading import read_object, read_table

OUT = "data/pairs"


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """pairs (with what they are judged by), dropped, splits (do their counts add up?), files (are they aligned?)."""
    pairs = read_table(root, f"{OUT}/pairs.parquet")
    meta = read_object(root, f"{OUT}/meta.json")
    dropped = read_table(root, f"{OUT}/dropped.parquet")
    return {
        "pairs": judged(pairs),
        "dropped": dropped,
        "splits": splits(pairs, dropped, meta["splits"]),
        "files": files(meta["lines"]),
    }


def judged(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs, with figures made anew from their text.

    `unknown_share` is of the characters of both sides; `in_splits` says how many splits have this source.
    """
    chars = pairs["source"].str.len() + pairs["target"].str.len()
    return pairs.assign(
        source_chars=pairs["source"].str.strip().str.len(),
        target_chars=pairs["target"].str.strip().str.len(),
        unknown_share=pairs["unknown"] / chars.clip(lower=1),
        in_splits=pairs.groupby("source")["split"].transform("nunique"),
    )


def splits(pairs: pd.DataFrame, dropped: pd.DataFrame, stated: dict[str, dict[str, int]]) -> pd.DataFrame:
    """One row a split: pairs read, kept and dropped; `missing` are those in neither file."""
    table = pd.DataFrame({"split": list(stated), "read": [counts["read"] for counts in stated.values()]})
    table["kept"] = [int((pairs["split"] == split).sum()) for split in stated]
    table["dropped"] = [int((dropped["split"] == split).sum()) for split in stated]
    table["missing"] = table["read"] - table["kept"] - table["dropped"]
    table["dropped_fraction"] = table["dropped"] / table["read"].clip(lower=1)
    return table


def files(lines: dict[str, dict[str, int]]) -> pd.DataFrame:
    """One row a split: lines of its source side and of its target side."""
    table = pd.DataFrame({"split": list(lines)})
    for side in ("source", "target"):
        table[f"{side}_lines"] = [counts[side] for counts in lines.values()]
    table["difference"] = table["source_lines"] - table["target_lines"]
    return table
