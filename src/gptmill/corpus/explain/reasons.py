"""The documents dropped for a reason, and which reasons there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.compute as pc

from gptmill.corpus.explain.lookup import Row, select, table
from gptmill.errors import UserError, nearest

DROPPED = ("collect/dropped", "clean/dropped", "dedupe/dropped")


def dropped_for(data: Path, reason: str, limit: int) -> list[Row]:
    """Up to `limit` documents dropped for `reason` (or `reason:…`): id, source, uri, stage, reason and what
    the stage's table adds: the document kept and the similarity.

    Raises:
        UserError: when nothing was dropped for it; the message names the reasons that there are.
    """
    where = (pc.field("reason") == reason) | pc.starts_with(pc.field("reason"), f"{reason}:")
    extra = ("kept_id", "similarity")
    found: list[Row] = []
    for name in DROPPED:
        source = table(data, name)
        if source is not None and len(found) < limit:
            columns = ["id", "source", "uri", "reason", *(c for c in extra if c in source.schema.names)]
            stage = name.split("/")[0]
            rows = select(data, name, where, columns, limit - len(found))
            found += [{"stage": stage} | row for row in rows]
    if not found:
        reasons = _reasons(data)
        known = ", ".join(f"{name} ({count:,})" for name, count in reasons.most_common())
        raise UserError(
            f'no document was dropped for "{reason}"{nearest(reason, reasons)} '
            + (f"Reasons found: {known}" if known else "Nothing was dropped at all.")
        )
    return found


def _reasons(data: Path) -> Counter[str]:
    """Every reason in the tables, with the number of documents."""
    counts: Counter[str] = Counter()
    for name in DROPPED:
        if (source := table(data, name)) is not None:
            for batch in source.to_batches(columns=["reason"]):
                counts.update(batch["reason"].to_pylist())
    return counts
