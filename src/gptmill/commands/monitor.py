"""`gptmill monitor`: has the text moved away from what the champion was made from?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.commands.generate import CHAMPION
from gptmill.errors import UserError

if TYPE_CHECKING:
    from gptmill.monitor.compare import Comparison
    from gptmill.monitor.drift import Limits

DRIFT = 3  # exit code; 0 is no drift, 1 an error


def add_monitor(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    monitor = commands.add_parser(
        "monitor", help="compare new text, or logged requests, with what a model was made from"
    )
    what = monitor.add_mutually_exclusive_group(required=True)
    what.add_argument("--documents", metavar="PATH", help="files, a folder or a glob, read as `collect` does")
    what.add_argument("--requests", metavar="FOLDER", help="a log of `gptmill serve`")
    monitor.add_argument("--model", default=CHAMPION, help=f"default: {CHAMPION}")
    monitor.add_argument("--alpha", type=float, default=0.01, help="rate of false alarms (default: 0.01)")
    monitor.add_argument(
        "--distance", type=float, default=0.02, help="what is too little to matter, 0 to 1 (default: 0.02)"
    )
    monitor.add_argument("--page", type=Path, help="write a report page here")
    monitor.add_argument("--json", type=Path, help="write the figures here")
    monitor.set_defaults(command=_monitor)


def _monitor(args: argparse.Namespace) -> int:
    from gptmill.monitor.drift import Limits
    from gptmill.monitor.page import monitor_page
    from gptmill.outs import write_json, write_text

    for name in ("alpha", "distance"):
        if not 0 < getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: must lie between 0 and 1")
    found, model = _compare(args, Limits(args.alpha, args.distance))
    print("\n".join(_lines(found)))
    if args.page:
        write_text(args.page, monitor_page(found, args.documents or args.requests, model))
    if args.json:
        write_json(args.json, found.figures())
    return DRIFT if found.drifted else 0


def _compare(args: argparse.Namespace, limits: Limits) -> tuple[Comparison, str]:
    from gptmill.monitor.compare import compare
    from gptmill.monitor.texts import new_documents, requests
    from gptmill.outs import read_json
    from gptmill.params import load
    from gptmill.params.clean import Clean
    from gptmill.tracking.cache import cached_documents
    from gptmill.tracking.client import default_uri, project_root
    from gptmill.tracking.fetch import files, find, open_registry
    from gptmill.tracking.package import Package
    from gptmill.tracking.packing import FACTS
    from gptmill.tracking.pyfunc import PACKAGE

    root = project_root()
    notes = []
    if args.requests:
        batch = requests(args.requests)
    else:
        batch, dropped = new_documents(args.documents, load("clean", Clean, root / "params.yaml"))
        notes = [f"`clean` drops {dropped} documents of the batch"] if dropped else []
    uri = default_uri()
    client = open_registry(uri, args.model)
    version = find(client, args.model)
    with files(client, uri, version, PACKAGE) as folder:
        corpus = cached_documents(root, read_json(folder / FACTS)["made_from"])
        found = compare(Package.load(folder), corpus, batch, limits, prompts=bool(args.requests))
    found.notes.extend(notes)
    return found, f"{version.name} {version}"


def _lines(found: Comparison) -> list[str]:
    from gptmill.monitor.compare import shown

    lines = [
        f"{len(found.batch.units)} texts ({found.batch.n_units} independent) against "
        f"{len(found.reference.units)} of the corpus ({found.reference.n_units} independent)",
        *found.notes,
    ]
    for name, result in found.results.items():
        lines.append(
            f"  {name:<14} {shown(found.reference, name):>10.4g} → {shown(found.batch, name):<10.4g} "
            f"distance {result.distance:6.3f}  p {result.adjusted:.4f}  {'drift' if result.drifted else ''}".rstrip()
        )
    return [*lines, f"drift: {', '.join(found.drifted)}" if found.drifted else "no drift"]
