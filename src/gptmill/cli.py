"""The command `gptmill`: what it can do, one module of `commands` for each."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from gptmill.commands.explain import add_explain
from gptmill.commands.export import add_export
from gptmill.commands.generate import add_generate
from gptmill.commands.inspect import add_inspect
from gptmill.commands.monitor import add_monitor
from gptmill.commands.plan import add_plan
from gptmill.commands.publish import add_publish
from gptmill.commands.registry import add_registry
from gptmill.commands.report import add_report
from gptmill.commands.retrain import add_retrain
from gptmill.commands.serve import add_serve
from gptmill.commands.translate import add_translate
from gptmill.errors import run


def main(argv: list[str] | None = None) -> None:
    """Entry point of the console script."""
    args = _parser().parse_args(argv)
    run(lambda: args.command(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gptmill", description="Text in, an evaluated and registered GPT out."
    )
    parser.add_argument("--version", action="version", version=f"gptmill {version('gptmill')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        add_generate,
        add_inspect,
        add_export,
        add_explain,
        add_monitor,
        add_plan,
        add_publish,
        add_registry,
        add_report,
        add_retrain,
        add_serve,
        add_translate,
    ):
        add(commands)
    return parser
