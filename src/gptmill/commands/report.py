"""`gptmill report`: the run on one page, with what only this machine knows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

PAGE = "reports/run.html"


def add_report(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    report = commands.add_parser(
        "report", help="write the run on one page, with commit, time, speed and the champion"
    )
    report.add_argument("--out", type=Path, help=f"default: {PAGE}, beside the pages that it links to")
    report.set_defaults(command=_report)


def _report(args: argparse.Namespace) -> None:
    from gptmill.outs import write_text
    from gptmill.params import load
    from gptmill.params.finetune import Finetune
    from gptmill.run_report.circumstances import circumstances
    from gptmill.run_report.facts import gather
    from gptmill.run_report.page import run_page
    from gptmill.tracking.client import project_root

    root = project_root()
    tasks = load("finetune", Finetune, root / "params.yaml").tasks
    facts = gather(root, {name: task.kind for name, task in tasks.items()})
    out = args.out or root / PAGE
    write_text(out, run_page(facts, circumstances(root)))
    print(f"gptmill report: {out}")
