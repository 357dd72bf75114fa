"""The command `gptmill`: continue a prompt, publish runs, plan a training."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gptmill.errors import UserError, run

if TYPE_CHECKING:
    from gptmill.tracking.package import Package

CHAMPION = "models:/gptmill@champion"


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

    publish = commands.add_parser(
        "publish", help="put finished runs and models on the tracking server, once each"
    )
    publish.add_argument(
        "--uri", help="a tracking URI; default: MLFLOW_TRACKING_URI, else the project's mlflow.db"
    )
    publish.set_defaults(command=_publish)

    plan = commands.add_parser("plan", help="parameters, FLOPs, memory and time of a training")
    plan.add_argument("--preset", help="with --size or --depth; default: the model of params.yaml")
    plan.add_argument("--size", help="a published size, such as 124M")
    plan.add_argument("--depth", type=int, help="layers, from which everything else is derived")
    plan.add_argument("--block-size", type=int, help="context in tokens; default: the size's, or 1024")
    plan.add_argument("--vocab-size", type=int, help="default: tokenize.vocab_size of params.yaml, or 50257")
    plan.add_argument("--tokens", type=float, help="default: 20 a parameter")
    plan.add_argument("--sequences", type=int, default=8, help="at once on the device (default: 8)")
    plan.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    plan.add_argument("--device", default="this", help="this (measured, the default), or one such as H100")
    plan.add_argument("--devices", type=int, default=1, help="how many of them")
    plan.add_argument("--mfu", type=float, default=0.4, help="share of a named device's peak (default: 0.4)")
    plan.add_argument("--minutes", type=float, help="a budget: which depth suits it")
    plan.set_defaults(command=_plan)
    return parser


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


def _plan(args: argparse.Namespace) -> None:
    if args.device == "this":
        from gptmill.threads import share_cores

        share_cores()
    from gptmill.plan_report import plan

    print("\n".join(plan(args)))


def _publish(args: argparse.Namespace) -> None:
    from gptmill.tracking.publish import publish

    published = publish(uri=args.uri)
    if not published:
        raise UserError("dvc.lock holds no tracked stage yet; run `dvc repro` first")
    for item in published:
        print(f"{item.stage:<24} {item.fingerprint[:8]}  {item.action}  {item.detail}".rstrip())
