"""One document through the stages, as a plain mapping: what `gptmill explain` shows and `--json` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from gptmill.corpus.explain.diff import Diff, diff
from gptmill.corpus.explain.lookup import Row, row, select, table
from gptmill.params.clean import Threshold

CONTAMINATED = "contaminated"
OTHERS = 20  # members of a cluster, places of a text

Trace = dict[str, Any]


def trace(
    data: Path,
    document: str,
    limits: dict[str, Threshold],
    similarity: float | None,
    max_lines: int | None = 40,
) -> Trace:
    """Every stage's decision on one document (a full id that exists).

    Each stage has a `state`: kept, dropped, contaminated; `unread` where it came no further, `not run`
    where the stage has written nothing, `missing` where it has, and not about this document.

    Args:
        limits: the rules in force, to set beside the signals.
        similarity: dedupe's threshold, to say when a copy was joined by way of a third document.
        max_lines: of each diff.
    """
    collected = row(data, "collect/documents", document)
    cleaned = row(data, "clean/documents", document)
    ruled_out = row(data, "clean/dropped", document)
    kept = row(data, "dedupe/documents", document)
    duplicate = row(data, "dedupe/dropped", document)
    text = (cleaned or kept or {}).get("text")
    return {
        "id": document,
        "collect": _collect(data, document, collected),
        "clean": _clean(data, collected, cleaned, ruled_out, limits, max_lines),
        "dedupe": _dedupe(data, kept, duplicate, ruled_out, text, similarity, max_lines),
    }


def _collect(data: Path, document: str, collected: Row | None) -> Trace:
    if collected is None:
        if table(data, "collect/documents") is None:
            return {"state": "not run"}
        if shut_out := row(data, "collect/dropped", document):
            return shut_out | {"state": "dropped", "meta": dict(shut_out["meta"])}
        return {"state": "missing"}
    found = {key: collected[key] for key in ("source", "uri", "licence", "origin", "lang")}
    places = select(data, "collect/repeats", pc.field("id") == document, ["source", "uri"])
    return {
        "state": "kept",
        **found,
        "meta": dict(collected["meta"]),
        "bytes": len(collected["text"].encode("utf-8", "surrogatepass")),
        "also_at": places[:OTHERS],
        "also_at_count": len(places),
    }


def _clean(
    data: Path,
    collected: Row | None,
    cleaned: Row | None,
    ruled_out: Row | None,
    limits: dict[str, Threshold],
    max_lines: int | None,
) -> Trace:
    found = cleaned or ruled_out
    if found is None:
        return {"state": _absent(data, "clean", collected)}
    signals = [_signal(name, value, limits.get(name)) for name, value in found.items() if _is_signal(value)]
    failed = [signal["signal"] for signal in _in_order(signals, limits) if signal["passes"] is False]
    result: Trace = {
        "state": "kept" if cleaned else "dropped",
        "reason": None if cleaned else found["reason"],
        "lang": found["lang"],
        "signals": signals,
        "fails": failed,
        "agrees": _agrees(None if cleaned else found["reason"], failed, limits),
        "bytes": len(found["text"].encode("utf-8", "surrogatepass")),
    }
    if collected:
        changed = diff(collected["text"], found["text"], ("collected", "cleaned"), max_lines)
        result["changed"] = collected["text"] != found["text"]
        result["diff"] = _plain(changed)
    return result


def _agrees(reason: str | None, failed: list[str], limits: dict[str, Threshold]) -> bool:
    """Would today's limits decide as clean has? (Not where params.yaml is newer than the tables.)"""
    named = reason is not None and reason not in limits  # such as "empty": no limit on a signal
    return named or reason == (failed[0] if failed else None)


def _dedupe(
    data: Path,
    kept: Row | None,
    duplicate: Row | None,
    ruled_out: Row | None,
    text: str | None,
    similarity: float | None,
    max_lines: int | None,
) -> Trace:
    if kept:
        members = _members(data, kept["cluster"], kept["id"])
        return {"state": "kept", "split": kept["split"], "cluster": kept["cluster"], "others": members}
    if duplicate is None:
        return {"state": "unread" if ruled_out else _absent(data, "dedupe", row_before=text)}
    reason = str(duplicate["reason"])
    result: Trace = {"state": "dropped", "reason": reason, "split": duplicate["split"]}
    if reason.startswith(CONTAMINATED):
        found = {key: duplicate[key] for key in ("similarity", "overlap", "cluster")}
        example = duplicate["kept_id"]  # a row of a task's file, or a document of a split
        held_out = select(data, "dedupe/documents", pc.field("id") == example, ["uri"])
        return (
            result
            | found
            | {
                "state": CONTAMINATED,
                "task": reason.removeprefix(f"{CONTAMINATED}:"),
                "example": example,
                "example_uri": held_out[0]["uri"] if held_out else None,
                "by_its_cluster": duplicate["cluster"] != duplicate["id"],
            }
        )
    original = duplicate["kept_id"]
    match = row(data, "dedupe/documents", original)
    result |= {
        "kept_id": original,
        "kept_uri": match["uri"] if match else None,
        "similarity": duplicate["similarity"],
        # Two texts less alike than the threshold are of one cluster when a third is like both.
        "joined_by_a_third": similarity is not None and duplicate["similarity"] < similarity,
        "others": _members(data, duplicate["cluster"], duplicate["id"]),
    }
    if match and text is not None:
        result["diff"] = _plain(diff(match["text"], text, ("the document kept", "this one"), max_lines))
    return result


def _absent(data: Path, stage: str, row_before: Any) -> str:
    """Why a stage's tables do not hold a document."""
    if table(data, f"{stage}/documents") is None:
        return "not run"
    return "missing" if row_before is not None else "unread"


def _members(data: Path, cluster: str, document: str) -> Trace:
    """The dropped documents of a cluster but for `document`."""
    columns = ["id", "uri", "reason", "similarity"]
    where = (pc.field("cluster") == cluster) & (pc.field("id") != document)
    members = select(data, "dedupe/dropped", where, columns)
    return {"count": len(members), "first": members[:OTHERS]}


def _is_signal(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _signal(name: str, value: float, limits: Threshold | None) -> Trace:
    low, high = (limits.min, limits.max) if limits else (None, None)
    passes = None
    if limits:
        passes = (low is None or value >= low) and (high is None or value <= high)
    return {"signal": name, "value": value, "min": low, "max": high, "passes": passes}


def _in_order(signals: list[Trace], limits: dict[str, Threshold]) -> list[Trace]:
    """Those with a rule, in the order in which the rules are asked."""
    by_name = {signal["signal"]: signal for signal in signals}
    return [by_name[name] for name in limits if name in by_name]


def _plain(found: Diff) -> Trace:
    return {"lines": found.lines, "left_out": found.left_out, "remark": found.remark}
