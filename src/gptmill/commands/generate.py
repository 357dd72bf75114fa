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
    generate.add_argument("prompt", nargs="+", help="several are continued together")
    add_model(generate)
    add = generate.add_argument
    add("--max-new-tokens", type=int, default=64)
    add("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    add("--top-k", type=int, default=40, help="only so many of the likeliest tokens; 0 is all")
    add("--top-p", type=float, default=1.0, help="only the likeliest that have this probability together")
    add("--min-p", type=float, default=0.0, help="only those this share as likely as the likeliest")
    add(
        "--repetition-penalty",
        type=float,
        default=1.0,
        help="above 1: what stands there is less likely again",
    )
    add("--beams", type=int, default=1, help="above 1: beam search, nothing is drawn")
    add("--length-penalty", type=float, default=1.0, help="of beam search; more favours longer texts")
    add("--stop", action="append", default=[], metavar="TEXT", help="end before it; may be given again")
    add("--seed", type=int, default=0)
    add("--stream", action="store_true", help="print the text as it is made")
    generate.set_defaults(command=_generate)


def add_model(parser: argparse.ArgumentParser) -> None:
    """The option that `load_package` reads."""
    parser.add_argument(
        "--model",
        help=f"a registry URI such as {CHAMPION}, or a folder; default: the champion, else models/package",
    )


SETTINGS = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "stop", "seed")


def _generate(args: argparse.Namespace) -> None:
    if args.stream and (args.beams != 1 or len(args.prompt) != 1):
        raise UserError("--stream prints one prompt's text as it is drawn: give one prompt, and no --beams")
    package = load_package(args.model)
    settings = {name: getattr(args, name) for name in SETTINGS}
    if not args.stream:
        settings |= {"beams": args.beams, "length_penalty": args.length_penalty}
        print("\n\n".join(package.complete_all(args.prompt, **settings)))
        return
    from gptmill.completion import stream_text

    print(args.prompt[0], end="", flush=True)
    for piece in stream_text(package.model, package.tokenizer, args.prompt[0], **settings):
        print(piece, end="", flush=True)
    print()


def load_package(model: str | None) -> Package:
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
