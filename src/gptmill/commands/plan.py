"""`gptmill plan`: what a training would cost."""

from __future__ import annotations

import argparse
from typing import Any


def add_plan(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    plan = commands.add_parser("plan", help="parameters, FLOPs, memory and time of a training")
    plan.add_argument("--preset", help="with --size or --depth; default: the model of params.yaml")
    plan.add_argument("--size", help="a published size, such as 124M")
    plan.add_argument("--depth", type=int, help="layers, from which everything else is derived")
    plan.add_argument("--block-size", type=int, help="context in tokens; default: the size's, or 1024")
    plan.add_argument("--vocab-size", type=int, help="default: tokenize.vocab_size of params.yaml, or 50257")
    plan.add_argument("--tokens", type=float, help="default: 20 a parameter")
    plan.add_argument("--sequences", type=int, default=8, help="at once on the device (default: 8)")
    plan.add_argument("--optimizer", choices=("adamw", "muon"), help="default: the preset's")
    plan.add_argument("--device", default="this", help="this (measured, the default), or one such as H100")
    plan.add_argument("--devices", type=int, default=1, help="how many of them")
    plan.add_argument("--fsdp", action="store_true", help="weights, gradients and optimizer spread over them")
    plan.add_argument("--mfu", type=float, default=0.4, help="share of a named device's peak (default: 0.4)")
    plan.add_argument("--minutes", type=float, help="a budget: which depth suits it")
    plan.set_defaults(command=_plan)


def _plan(args: argparse.Namespace) -> None:
    if args.device == "this":
        from gptmill.threads import share_cores

        share_cores()
    from gptmill.plan_report import plan

    print("\n".join(plan(args)))
