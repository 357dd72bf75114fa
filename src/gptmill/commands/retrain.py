"""`gptmill retrain`: what CI runs, and what runs anywhere else as well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_retrain(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    retrain = commands.add_parser(
        "retrain", help="run what has changed, share it, register it, promote it by the rule, commit it"
    )
    retrain.add_argument(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as `dvc exp run -S`; committed with the result",
    )
    retrain.add_argument("--base", help="compare with this commit in the report; default: HEAD")
    retrain.add_argument("--report", type=Path, help="write a Markdown report here")
    retrain.add_argument("--no-promote", action="store_true", help="judge the challenger, change nothing")
    retrain.add_argument("--no-commit", action="store_true", help="leave Git alone")
    retrain.set_defaults(command=_retrain)


def _retrain(args: argparse.Namespace) -> None:
    from gptmill.retrain.flow import Options, retrain
    from gptmill.tracking.client import project_root

    options = Options(
        overrides=args.set_param,
        base=args.base,
        promote=not args.no_promote,
        commit=not args.no_commit,
        report=args.report,
    )
    print(f"gptmill retrain: {retrain(project_root(), options)}")
