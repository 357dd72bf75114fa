"""`gptmill inspect`: a page on what the model makes of a prompt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gptmill.commands.generate import add_model, load_package

ANALOGY = "king - man + woman"


def add_inspect(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    inspect = commands.add_parser("inspect", help="write a page on what the model makes of a prompt")
    inspect.add_argument("prompt")
    add_model(inspect)
    inspect.add_argument("--out", default="inspect.html", help="the page to write (default: inspect.html)")
    inspect.add_argument(
        "--word", action="append", default=[], help="whose nearest neighbours are shown; may be given again"
    )
    inspect.add_argument(
        "--analogy", action="append", default=[], help=f'may be given again; default: "{ANALOGY}"'
    )
    inspect.set_defaults(command=_inspect)


def _inspect(args: argparse.Namespace) -> None:
    package = load_package(args.model)

    from gptmill.inspection.page import inspection_page
    from gptmill.outs import write_text

    page = inspection_page(
        package.model, package.tokenizer, args.prompt, args.word, args.analogy or [ANALOGY]
    )
    write_text(Path(args.out), page)
    print(args.out)
