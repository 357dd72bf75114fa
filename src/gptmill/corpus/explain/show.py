"""A trace in words, for a terminal. Texts of documents are shown, never sent to it as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gptmill.corpus.explain.trace import Trace
from gptmill.shown import number, size, visible

INDENT = "          "


def lines(trace: Trace) -> Iterator[str]:
    """The whole explanation; of a diff's lines the first character says what they are."""
    yield visible(trace["id"])
    for stage in ("collect", "clean", "dedupe"):
        yield ""
        first, *rest = _STAGES[stage](trace[stage])
        yield f"{stage:<10}{first}"
        yield from (INDENT + line if line else "" for line in rest)


def _collect(stage: Trace) -> Iterator[str]:
    if stage["state"] != "kept":
        yield _other(stage, "collect")
        if stage["state"] == "dropped":
            yield visible(f"{stage['source']}  {stage['uri']}")
        return
    yield visible(f"kept, {size(stage['bytes'])}, from {stage['uri']}")
    yield visible(f"source {stage['source']}   licence {stage['licence']}   origin {stage['origin']}")
    if stage["meta"]:
        yield visible("   ".join(f"{key}: {value}" for key, value in stage["meta"].items()))
    if count := stage["also_at_count"]:
        yield f"the same text stands in {_counted(count, 'more place')}:"
        yield from (visible(f"  {place['source']}  {place['uri']}") for place in stage["also_at"])
        yield from _more(count, len(stage["also_at"]))


def _clean(stage: Trace) -> Iterator[str]:
    if "signals" not in stage:
        yield _other(stage, "clean")
        return
    if stage["state"] == "kept":
        yield f"kept, {size(stage['bytes'])}, language {visible(stage['lang'])}"
    else:
        yield f"dropped by {_broken(stage)}"
    if others := [name for name in stage["fails"] if name != stage["reason"]]:
        yield f"it also fails {', '.join(others)}"
    if not stage["agrees"]:
        yield "params.yaml's rules decide otherwise today: run `dvc repro clean`"
    ruled = [signal for signal in stage["signals"] if signal["passes"] is not None]
    free = [signal for signal in stage["signals"] if signal["passes"] is None]
    width = max((len(signal["signal"]) for signal in stage["signals"]), default=0)
    yield ""
    for signal in ruled:
        mark = "  " if signal["passes"] else "✗ "
        yield f"{mark}{signal['signal']:<{width}}  {number(signal['value']):>10}   {_limits(signal)}"
    for signal in free:
        yield f"  {signal['signal']:<{width}}  {number(signal['value']):>10}   no rule"
    if "diff" in stage:
        yield ""
        if stage["changed"]:
            yield from _diff("what cleaning changed", stage["diff"])
        else:
            yield "cleaning changed nothing"


def _dedupe(stage: Trace) -> Iterator[str]:
    match stage["state"]:
        case "kept":
            yield f"kept, in the split {stage['split']}"
            yield from _cluster("it stands for", stage["others"])
        case "contaminated":
            held_out = (
                f"the split {stage['task']}" if stage["example_uri"] else f"the examples of {stage['task']}"
            )
            yield visible(f"contaminated: shares text with {held_out}, most with")
            yield visible(f"{stage['example']}  {stage['example_uri'] or ''}".rstrip())
            yield f"{_counted(stage['overlap'], 'n-gram')} in both, {stage['similarity']:.3f} of the shorter of the two"
            if stage["by_its_cluster"]:
                yield f"(found for {stage['cluster']}, which stands for its cluster)"
        case "dropped":
            yield f"dropped as {stage['reason']} duplicate, similarity {stage['similarity']:.4f}, of"
            yield visible(f"{stage['kept_id']}  {stage['kept_uri'] or ''}")
            if stage["joined_by_a_third"]:
                yield "(below the threshold: a third document is like both)"
            yield from _cluster("dropped with it for the same document", stage["others"])
            if "diff" in stage:
                yield ""
                if stage["diff"]["lines"]:
                    yield from _diff("how the two differ, as cleaned", stage["diff"])
                else:
                    yield "the two texts are equal"
        case _:
            yield _other(stage, "dedupe")


_STAGES = {"collect": _collect, "clean": _clean, "dedupe": _dedupe}


def _other(stage: Trace, name: str) -> str:
    """States without figures."""
    match stage["state"]:
        case "not run":
            return f"not run yet: `dvc repro {name}`"
        case "unread":
            return "did not come this far"
        case "dropped":
            return visible(f"dropped: {stage['reason']}")
        case _:
            return f"not in its tables: the stages did not run one after the other; `dvc repro {name}`"


def _broken(stage: Trace) -> str:
    """The rule that dropped a document, with its figure where it is a limit on a signal."""
    reason = str(stage["reason"])
    signal = next((signal for signal in stage["signals"] if signal["signal"] == reason), None)
    if signal is None or signal["passes"] is not False:
        return visible(reason)
    value, low, high = signal["value"], signal["min"], signal["max"]
    side = f"below min {number(low)}" if low is not None and value < low else f"above max {number(high)}"
    return f"{reason} = {number(value)}, {side}"


def _limits(signal: dict[str, Any]) -> str:
    low, high = signal["min"], signal["max"]
    if low is None:
        return f"at most {number(high)}"
    return f"at least {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def _cluster(words: str, others: Trace) -> Iterator[str]:
    if others["count"]:
        yield f"{words}: {_counted(others['count'], 'document')}"
        for member in others["first"]:
            yield visible(f"  {member['id']}  {member['reason']} {member['similarity']:.3f}  {member['uri']}")
        yield from _more(others["count"], len(others["first"]))


def _diff(title: str, diff: Trace) -> Iterator[str]:
    yield f"{title}{' (' + diff['remark'] + ')' if diff['remark'] else ''}:"
    yield from diff["lines"]
    if diff["left_out"]:
        yield f"… {_counted(diff['left_out'], 'more line')}: --full shows all"


def _more(count: int, shown: int) -> Iterator[str]:
    if count > shown:
        yield f"  … and {number(count - shown)} more"


def _counted(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"
