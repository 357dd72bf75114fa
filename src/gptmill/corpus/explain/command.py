"""`gptmill explain`: from what was typed to what is printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptmill.corpus.explain.lookup import fates, find
from gptmill.corpus.explain.reasons import dropped_for
from gptmill.corpus.explain.show import lines
from gptmill.corpus.explain.trace import trace
from gptmill.params import load
from gptmill.params.clean import Clean
from gptmill.params.dedupe import Dedupe
from gptmill.shown import visible

PIECES = 50  # of those at one uri that are listed


def explain(root: Path, document: str, full: bool, as_json: bool) -> None:
    """Print what happened to a document, named by id, the beginning of one, or uri.

    Raises:
        UserError: when no document, or more than one, is meant.
    """
    data = root / "data"
    ids = find(data, document)
    if len(ids) > 1:
        pieces = fates(data, document)
        head = f"{visible(document)} is where {len(pieces):,} documents stand:"
        more = [f"… and {len(pieces) - PIECES:,} more: --full shows all"] if len(pieces) > PIECES else []
        shown = [head, *map(_line, pieces)] if full else [head, *map(_line, pieces[:PIECES]), *more]
        _print(shown, pieces, as_json)
        return
    limits = load("clean", Clean, root / "params.yaml").resolved_rules()
    similarity = load("dedupe", Dedupe, root / "params.yaml").similarity
    found = trace(data, ids[0], limits, similarity, max_lines=None if full else 40)
    _print(lines(found), found, as_json)


def list_reason(root: Path, reason: str, limit: int, as_json: bool) -> None:
    """Print documents that were dropped for a reason."""
    rows = dropped_for(root / "data", reason, limit)
    _print([_dropped(row) for row in rows], rows, as_json)


def _line(piece: dict[str, Any]) -> str:
    return visible(
        f"{piece['id']}  {piece['stage']:<9}{piece['state']:<32}  {piece['source']}  {piece['uri']}"
    )


def _dropped(row: dict[str, Any]) -> str:
    like = f"  {row['similarity']:.3f} to {row['kept_id']}" if row.get("kept_id") else ""
    return visible(f"{row['id']}  {row['stage']} {row['reason']}{like}  {row['uri']}")


def _print(text: Iterable[str], value: Any, as_json: bool) -> None:
    """To stdout, in colour on a terminal; what its encoding lacks is written out."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False))
        else:
            colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            for line in text:
                print(_coloured(line) if colours else line)
        sys.stdout.flush()
    except BrokenPipeError:  # `gptmill explain … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _coloured(line: str) -> str:
    """Lines taken out red, put in green, stages bold."""
    start = line.strip()[:1]
    if line.startswith(" ") and start in "+-":
        return f"\x1b[{32 if start == '+' else 31}m{line}\x1b[0m"
    return f"\x1b[1m{line}\x1b[0m" if line and line[0] != " " else line
