"""`gptmill translate`: a text by one of the systems of docs/lineage.md."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gptmill.errors import UserError

SYSTEMS = ("seq2seq", "rnnsearch", "transformer", "gpt")


def add_translate(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    translate = commands.add_parser("translate", help="translate by a system that `make lineage` trained")
    translate.add_argument("text", nargs="+", help="such as 'de Fr., 3. Apr. 1987'")
    translate.add_argument("--system", choices=SYSTEMS, default="transformer", help="default: transformer")
    translate.add_argument("--beams", type=int, default=4, help="1: greedy (default: 4)")
    translate.add_argument("--max-new-tokens", type=int, default=80, help="of a translation (default: 80)")
    translate.set_defaults(command=_translate)


def _translate(args: argparse.Namespace) -> None:
    for name in ("beams", "max_new_tokens"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(args, name)}: at least 1 is needed")
    folder, vocabulary = Path("models/translate") / args.system, Path("data/pairs/tokenizer.model")
    for path in (folder, vocabulary):
        if not path.exists():
            raise UserError(
                f"{path} does not exist: `dvc repro lineage/dvc.yaml:translate@{args.system}` makes it, "
                "`dvc pull lineage/dvc.yaml` fetches it where somebody has made it"
            )

    from gptmill.models.systems import load_system
    from gptmill.tokens.tokenizer import Tokenizer
    from gptmill.translation.evaluate import translate

    found = translate(
        load_system(folder),
        Tokenizer.load(vocabulary),
        args.text,
        beams=args.beams,
        max_new_tokens=args.max_new_tokens,
    )
    print("\n".join(found))
