"""The report of a retraining: Markdown for a pull request, from files and DVC's own comparisons."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.retrain.shell import dvc

ROWS = 40  # of a table: a comment is read, not searched


def report(root: Path, base: str, headline: str, facts: Iterable[tuple[str, str]], failure: str = "") -> str:
    """Markdown.

    Args:
        base: the commit that everything is compared with.
        headline: what came of it, in a few words.
        facts: name and value, such as ("reason", "…").
        failure: what the stage that failed said.
    """
    parts = [f"## Retraining: {headline}", "\n".join(f"- **{name}**: {value}" for name, value in facts)]
    if failure:
        parts.append(f"````text\n{failure}\n````")
    parts += [
        "### Parameters",
        _difference(root, "params", base),
        "### Metrics",
        _difference(root, "metrics", base),
        "### Curves and plots",
        curves(root, base),
        "### Gates",
        gates(root),
        f"Compared with {base[:12]}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def gates(root: Path) -> str:
    """A table of verdicts."""
    rows = []
    for path in sorted((root / "reports/gates").glob("*.json")):
        found = read_json(path)
        counts = found["expectations"]
        met = f"{counts['evaluated'] - counts['failed']} of {counts['evaluated']}"
        rows.append(f"| {path.stem} | {'passed' if found['success'] else '**failed**'} | {met} |")
    return "\n".join(["| gate | verdict | expectations met |", "|---|---|---|", *rows]) if rows else "None."


def curves(root: Path, base: str) -> str:
    """A table of the CSV files behind the plots that changed: rows, and the last value of each curve."""
    rows = []
    for path in sorted((root / "reports").rglob("*.csv")):
        name = path.relative_to(root).as_posix()
        before, now = _at(root, base, name), path.read_text(encoding="utf-8")
        if before != now:
            old, new = _last(before), _last(now)
            keys = [key for key in new if key != "step"] if "step" in new else []
            rows += [f"| {name} | {key} | {old.get(key, '–')} | {new[key]} |" for key in keys]
            if not keys:
                rows.append(f"| {name} | rows | {before.count(chr(10))} | {now.count(chr(10))} |")
    if not rows:
        return "None changed."
    more = [f"… and {len(rows) - ROWS} more"] if len(rows) > ROWS else []
    return "\n".join(["| file | curve | last before | last now |", "|---|---|---|---|", *rows[:ROWS], *more])


def failed_stage(output: str) -> tuple[str, str]:
    """The stage at which `dvc repro` stopped, and what the stage said of it."""
    stage = re.search(r"failed to reproduce '([^']+)'", output)
    said = re.search(r"^gptmill: error: (.*?)(?=^ERROR: )", output, re.DOTALL | re.MULTILINE)
    text = said[1].strip() if said else "\n".join(output.strip().splitlines()[-15:])
    return (stage[1] if stage else "an unknown stage"), text


def _difference(root: Path, what: str, base: str) -> str:
    """`dvc metrics diff` or `dvc params diff` as a table."""
    try:
        lines = dvc(root, what, "diff", "--md", base).splitlines()
    except UserError as error:
        return f"DVC could not compare them: {error}"
    if not lines:
        return "None changed."
    more = [f"… and {len(lines) - 2 - ROWS} more"] if len(lines) - 2 > ROWS else []
    return "\n".join([*lines[: ROWS + 2], *more])


def _at(root: Path, revision: str, name: str) -> str:
    """A file's text in a commit; nothing where it isn't there."""
    done = subprocess.run(["git", "show", f"{revision}:{name}"], cwd=root, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def _last(text: str) -> dict[str, str]:
    """The last row of a CSV, numbers shortened."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return {key: _short(value) for key, value in rows[-1].items() if value} if rows else {}


def _short(value: str) -> str:
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value
