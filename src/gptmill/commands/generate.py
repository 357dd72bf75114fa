"""`gptmill generate`: continue a prompt."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError

if TYPE_CHECKING:
    from gptmill.tracking.package import Package


CHAMPION = "models:/gptmill@champion"


def add_generate(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    generate = commands.add_parser("generate", help="continue a prompt")
    generate.add_argument("prompt")
    generate.add_argument(
        "--model",
        help=f"a registry URI such as {CHAMPION}, or a folder; default: the champion, else models/package",
    )
    generate.add_argument("--max-new-tokens", type=int, default=64)
    generate.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    generate.add_argument("--top-k", type=int, default=40, help="0 draws from every token")
    generate.add_argument("--seed", type=int, default=0)
    generate.set_defaults(command=_generate)


def _generate(args: argparse.Namespace) -> None:
    package = _load(args.model)
    print(package.complete(args.prompt, args.max_new_tokens, args.temperature, args.top_k, args.seed))


def _load(model: str | None) -> Package:
    """The package that `--model` names; by default the champion, or what this project has made itself."""
    from gptmill.tracking.client import find_root
    from gptmill.tracking.fetch import load_registered
    from gptmill.tracking.package import Package

    if model and model.startswith("models:/"):
        return load_registered(model)
    if model:
        if not Path(model).is_dir():
            raise UserError(f"--model {model}: no such folder, and no registry URI such as {CHAMPION}")
        return Package.load(model)
    try:
        return load_registered(CHAMPION)
    except UserError as error:
        local = (find_root() or Path.cwd()) / "models" / "package"
        if not local.is_dir():
            raise UserError(f"{error} Nor is there a folder models/package: run `dvc repro` first.") from None
        print(f"gptmill: using models/package, because {error}", file=sys.stderr)
        return Package.load(local)
