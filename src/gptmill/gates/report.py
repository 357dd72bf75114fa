"""What a gate says: the normalised report, the message of a failure, the pass token."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptmill.gates.engine import Finding


def report(stage: str, findings: list[Finding], rows: dict[str, int]) -> dict[str, Any]:
    """The full result as plain data that depends on the outs and the suite alone: no times, ids or paths.

    Args:
        rows: the number of rows of each table.
    """
    failed = sum(not finding.success for finding in findings)
    return {
        "stage": stage,
        "success": not failed,
        "expectations": {"evaluated": len(findings), "failed": failed},
        "tables": [{"name": name, "rows": count} for name, count in rows.items()],  # a list: no metric of DVC
        "results": [
            {
                "table": finding.entry.table,
                "type": finding.entry.type,
                "kwargs": plain(finding.entry.kwargs),
                "success": finding.success,
                "observed": plain(finding.observed),
                "rows": finding.rows,
                "unexpected_count": finding.unexpected,
                "values": plain(finding.values),
                "examples": finding.examples,
            }
            for finding in findings
        ],
    }


def failure(stage: str, findings: list[Finding], docs: str, report_path: str, suite: str) -> str:
    """The message of a failed gate: for each failed expectation what was found and what is allowed."""
    failed = [finding for finding in findings if not finding.success]
    lines = [f"gate@{stage} failed: {len(failed)} of {len(findings)} expectations of {suite} are not met"]
    for finding in failed:
        columns = "".join(f".{column}" for column in finding.entry.columns[:1])
        rest = {name: value for name, value in finding.entry.kwargs.items() if name != "column"}
        lines.append(
            f"  {finding.entry.table}{columns}: {finding.entry.type} {_inline(rest) if rest else ''}".rstrip()
        )
        lines.append(f"    observed: {observed(finding)}; allowed: {allowed(finding)}")
        if finding.examples:
            lines.append(f"    examples: {', '.join(finding.examples)}")
    return "\n".join([*lines, f"  Data Docs: {docs}", f"  report:    {report_path}"])


def observed(finding: Finding) -> str:
    """The figure that decided, for people."""
    if finding.unexpected is None:
        return _inline(finding.observed)
    share = f"{finding.unexpected:,} of {finding.rows or 0:,} rows"
    values = [value for value in finding.values if value is not None]
    return f"{share}, such as {', '.join(map(_inline, values))}" if values else share


def allowed(finding: Finding) -> str:
    """What would have passed, for people."""
    kwargs = finding.entry.kwargs
    if finding.unexpected is not None:
        mostly = kwargs.get("mostly", 1)
        return "none" if mostly == 1 else f"at most {1 - mostly:.4%} of them"
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None or high is not None:
        sides = [f"at least {_inline(low)}"] if low is not None else []
        return " and ".join(sides + ([f"at most {_inline(high)}"] if high is not None else []))
    return (
        _inline({name: value for name, value in kwargs.items() if name != "column"})
        if kwargs
        else "see its name"
    )


def _inline(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy's scalars as Python's, NaN and infinities by name."""
    if hasattr(value, "tolist"):  # a scalar or an array
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def token(stage: str, root: Path, outs: list[str]) -> dict[str, Any]:
    """The pass token: the stage and the hash of each out that it lets through, nothing else."""
    return {"stage": stage, "outs": {out: content_hash(root / out) for out in outs}}


def content_hash(path: Path) -> str:
    """SHA-256 over the sorted relative names, sizes and bytes of a folder's files, or of one file."""
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in sorted(files, key=lambda file: file.relative_to(path).as_posix()):
        # A size after each name, so that no two folders give the same stream.
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
