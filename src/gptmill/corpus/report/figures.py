"""The report's numbers, from the outs of collect, clean and dedupe: a plain mapping, reports/corpus.json.

What enters a stage leaves it: read = kept + dropped + edited, in documents and in bytes. `edited` are the
bytes that cleaning took out of texts (markup, code, boilerplate), also of those that a rule dropped then;
below zero where it put in more (tokens for personal data). A dropped document's bytes are those of its
text as the stage judged it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from gptmill.corpus.report.tables import (
    Amount,
    Amounts,
    amounts,
    existing,
    with_bytes_of,
    with_text_bytes,
)

STAGES = ("collect", "clean", "dedupe")
SPLITS = ("train", "validation", "test")
CONTAMINATED = "contaminated"
BOILERPLATE = "boilerplate_parts"  # the signal that counts them

Figures = dict[str, Any]


def figures(data: Path, tasks: Sequence[str] = ()) -> Figures:
    """All numbers of the report from `data`/collect, clean and dedupe.

    Args:
        tasks: against whose examples documents were held, also those that nothing was dropped for.

    Raises:
        UserError: when a stage has not run, or the outs do not belong together.
    """
    collect, clean, dedupe = (data / stage for stage in STAGES)
    collected = amounts(with_text_bytes(collect / "documents.parquet", ["source"]), ["source"])
    cleaned = amounts(
        with_text_bytes(clean / "documents.parquet", ["source", "lang", "licence"]),
        ["source", "lang", "licence"],
    )
    kept = amounts(
        with_text_bytes(dedupe / "documents.parquet", ["source", "lang", "licence", "split"]),
        ["source", "lang", "licence", "split"],
    )
    losses = {
        "collect": _left_out(collect),
        "clean": amounts(
            with_text_bytes(clean / "dropped.parquet", ["source", "reason"]), ["source", "reason"]
        ),
        "dedupe": amounts(
            with_bytes_of(
                dedupe / "dropped.parquet", ["source", "reason"], texts=clean / "documents.parquet"
            ),
            ["source", "reason"],
        ),
    }
    outputs = {"collect": collected, "clean": cleaned, "dedupe": kept}
    sources = _sources(outputs, losses)
    return {
        "stages": _stages(outputs, losses),
        "sources": sources,
        "languages": _by(kept, 1),
        "licences": _by(kept, 2),
        "splits": {name: _plain(_total(kept, 3, name)) for name in SPLITS},
        "personal_data": _personal_data(clean),
        "boilerplate": _boilerplate(clean),
        "contaminated": _contaminated(losses["dedupe"], tasks),
        "duplicates": _duplicates(losses["dedupe"]),
    }


def _left_out(collect: Path) -> Amounts:
    """What collect found and left out: texts that it had already, and what its own limits shut out.

    Of the latter it keeps no text, so they count no bytes.
    """
    repeats = with_bytes_of(collect / "repeats.parquet", ["source"], texts=collect / "documents.parquet")
    lost: Amounts = {(source, "repeat"): amount for (source,), amount in amounts(repeats, ["source"]).items()}
    shut_out = collect / "dropped.parquet"
    if shut_out.is_file():
        for batch in pq.ParquetFile(shut_out).iter_batches(columns=["source", "reason"]):
            for row in batch.to_pylist():
                key = (row["source"], row["reason"])
                lost[key] = lost.get(key, Amount()) + Amount(1, 0)
    return lost


def _stages(outputs: dict[str, Amounts], losses: dict[str, Amounts]) -> Figures:
    """read, dropped by reason, edited and kept of each stage; a stage reads what the one before it kept."""
    stages, entered = {}, None
    for name in STAGES:
        kept, lost = _sum(outputs[name].values()), _sum(losses[name].values())
        read = entered or kept + lost
        stages[name] = {
            "read": _plain(read),
            "dropped": _by(losses[name], 1),
            "edited_bytes": (read - kept - lost).bytes,
            "kept": _plain(kept),
        }
        entered = kept
    return stages


def _sources(outputs: dict[str, Amounts], losses: dict[str, Amounts]) -> Figures:
    """For each source: what was read, and what is left after each stage."""
    left = {stage: _by(table, 0) for stage, table in outputs.items()}
    lost = _by(losses["collect"], 0)
    nothing = _plain(Amount())
    names = sorted({*lost, *(name for table in left.values() for name in table)})
    return {
        name: {
            "read": {
                unit: left["collect"].get(name, nothing)[unit] + lost.get(name, nothing)[unit]
                for unit in nothing
            },
            **{stage: left[stage].get(name, nothing) for stage in STAGES},
        }
        for name in names
    }


def _personal_data(clean: Path) -> Figures:
    """How many pieces of each kind were found in the documents that clean kept."""
    counts: Figures = json.loads(existing(clean / "pii.json").read_text(encoding="utf-8"))
    return counts


def _boilerplate(clean: Path) -> Figures:
    """Lines and paragraphs that clean took out because many documents have them, and from how many documents."""
    documents = parts = 0
    for name in ("documents", "dropped"):
        with pq.ParquetFile(clean / f"{name}.parquet") as file:
            if BOILERPLATE not in file.schema_arrow.names:
                return {}
            for batch in file.iter_batches(columns=[BOILERPLATE]):
                documents += pc.sum(pc.greater(batch[BOILERPLATE], 0)).as_py() or 0
                parts += pc.sum(batch[BOILERPLATE]).as_py() or 0
    return {"documents": documents, "parts": parts}


def _contaminated(lost: Amounts, tasks: Sequence[str]) -> Figures:
    """Documents dropped for what they share with test examples, by the name of the task."""
    return {task: _plain(Amount()) for task in tasks} | {
        reason.removeprefix(f"{CONTAMINATED}:"): amount
        for reason, amount in _by(lost, 1).items()
        if reason.startswith(CONTAMINATED)
    }


def _duplicates(lost: Amounts) -> Figures:
    """Documents dropped as copies, exact and near."""
    return {reason: amount for reason, amount in _by(lost, 1).items() if not reason.startswith(CONTAMINATED)}


def _by(table: Amounts, position: int) -> dict[str, dict[str, int]]:
    """The amounts by one part of the key, sorted by name."""
    total: dict[str, Amount] = defaultdict(Amount)
    for key, amount in table.items():
        total[key[position]] += amount
    return {name: _plain(amount) for name, amount in sorted(total.items())}


def _total(table: Amounts, position: int, value: str) -> Amount:
    return _sum(amount for key, amount in table.items() if key[position] == value)


def _sum(parts: Iterable[Amount]) -> Amount:
    return sum(parts, Amount())


def _plain(amount: Amount) -> dict[str, int]:
    return {"documents": amount.documents, "bytes": amount.bytes}
