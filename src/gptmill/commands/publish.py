"""`gptmill publish`: finished runs and models onto the tracking server."""

from __future__ import annotations

import argparse
from typing import Any

from gptmill.errors import UserError


def add_publish(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    publish = commands.add_parser(
        "publish", help="put finished runs and models on the tracking server, once each"
    )
    publish.add_argument(
        "--uri", help="a tracking URI; default: MLFLOW_TRACKING_URI, else the project's mlflow.db"
    )
    publish.set_defaults(command=_publish)


def _publish(args: argparse.Namespace) -> None:
    from gptmill.tracking.publish import publish

    published = publish(uri=args.uri)
    if not published:
        raise UserError("dvc.lock holds no tracked stage yet; run `dvc repro` first")
    for item in published:
        print(f"{item.stage:<24} {item.fingerprint[:8]}  {item.action}  {item.detail}".rstrip())
