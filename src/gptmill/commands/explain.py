"""`gptmill explain`: what happened to a document at every stage."""

from __future__ import annotations

import argparse
from typing import Any

from gptmill.errors import UserError


def add_explain(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    explain = commands.add_parser("explain", help="say what happened to a document at every stage")
    explain.add_argument("document", nargs="?", metavar="ID", help="an id, the beginning of one, or a uri")
    explain.add_argument("--reason", help="instead: list documents dropped for it, such as near")
    explain.add_argument("--limit", type=int, default=20, help="how many --reason lists (default: 20)")
    explain.add_argument("--full", action="store_true", help="diffs to their last line")
    explain.add_argument("--json", action="store_true", help="for machines")
    explain.set_defaults(command=_explain)


def _explain(args: argparse.Namespace) -> None:
    if (args.document is None) == (args.reason is None):
        raise UserError("explain: give either an ID (or a uri), or --reason REASON")
    if args.limit < 1:
        raise UserError(f"--limit {args.limit}: at least 1 is needed")

    from gptmill.corpus.explain.command import explain, list_reason
    from gptmill.tracking.client import project_root

    if args.reason is not None:
        list_reason(project_root(), args.reason, args.limit, args.json)
    else:
        explain(project_root(), args.document, args.full, args.json)
