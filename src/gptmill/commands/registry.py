"""`gptmill compare`, `promote`, `rollback` and `lineage`: what is in the registry, and who is champion."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from gptmill.tracking.promotion import Decision


def add_registry(commands: Any) -> None:
    """Add the commands to argparse's subparsers."""
    compare = commands.add_parser("compare", help="two versions on the same test data, paired")
    compare.add_argument("ours", metavar="A", help="models:/<name>@<alias> or models:/<name>/<version>")
    compare.add_argument("theirs", metavar="B", help="the same; a gain above zero means that A is better")
    compare.set_defaults(command=_compare)

    promote = commands.add_parser("promote", help="make the challenger champion, if the evidence says so")
    promote.add_argument("version", nargs="?", default="challenger", help="a number or an alias")
    promote.add_argument("--dry-run", action="store_true", help="judge, and change nothing")
    promote.set_defaults(command=_promote)

    rollback = commands.add_parser("rollback", help="make the previous champion champion again")
    rollback.add_argument("--dry-run", action="store_true", help="say what would change")
    rollback.set_defaults(command=_rollback)

    lineage = commands.add_parser("lineage", help="what a registered model was made from")
    lineage.add_argument("model", help="models:/<name>@<alias> or models:/<name>/<version>")
    lineage.add_argument(
        "--documents", action="store_true", help="the training documents: id, licence, source, address"
    )
    lineage.set_defaults(command=_lineage)


def _compare(args: argparse.Namespace) -> None:
    from gptmill.params import load
    from gptmill.params.register import Register
    from gptmill.tracking.client import project_root
    from gptmill.tracking.compare import compare
    from gptmill.tracking.fetch import files, find
    from gptmill.tracking.pyfunc import PACKAGE

    root = project_root()
    rules = load("register", Register, root / "params.yaml")
    with (
        _registry(args.ours) as (client, uri),
        files(client, uri, ours := find(client, args.ours), PACKAGE) as one,
        files(client, uri, theirs := find(client, args.theirs), PACKAGE) as other,
    ):
        scores = compare(one, other, rules, root)
    print(f"{ours} against {theirs}; the gain with its {rules.confidence:.0%} interval")
    for score in scores:
        print(f"  {score}")


def _promote(args: argparse.Namespace) -> None:
    from gptmill.params import load
    from gptmill.params.register import Register
    from gptmill.tracking.client import project_root
    from gptmill.tracking.promotion import promote

    root = project_root()
    rules = load("register", Register, root / "params.yaml")
    with _registry(f"models:/{rules.name}@{args.version}") as (client, uri):
        _say(promote(client, uri, rules, root, args.version, args.dry_run), args.dry_run)


def _rollback(args: argparse.Namespace) -> None:
    from gptmill.params import load
    from gptmill.params.register import Register
    from gptmill.tracking.client import project_root
    from gptmill.tracking.promotion import rollback

    name = load("register", Register, project_root() / "params.yaml").name
    with _registry(f"models:/{name}@previous") as (client, uri):
        _say(rollback(client, uri, name, args.dry_run), args.dry_run)


def _lineage(args: argparse.Namespace) -> None:
    from gptmill.tracking.ancestry import ancestry, training_documents
    from gptmill.tracking.client import project_root
    from gptmill.tracking.fetch import files, find

    with (
        _registry(args.model) as (client, uri),
        files(client, uri, version := find(client, args.model)) as folder,
    ):
        if args.documents:
            for row in training_documents(folder, project_root()):
                print("\t".join(row))
        else:
            print(ancestry(version, folder))


@contextmanager
def _registry(model: str) -> Iterator[tuple[MlflowClient, str]]:
    """The project's registry, of which `model` is asked."""
    from gptmill.tracking.client import answering, default_uri
    from gptmill.tracking.fetch import open_registry

    uri = default_uri()
    client = open_registry(uri, model)
    with answering(uri):
        yield client, uri


def _say(decision: Decision, dry_run: bool) -> None:
    print(f"{decision.version.name} {decision.version}: {decision.reason}")
    if dry_run:
        print("Nothing was changed (--dry-run).")
