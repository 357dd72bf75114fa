"""`gptmill export`: a model for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gptmill.commands.generate import add_model, load_package
from gptmill.errors import UserError


def add_export(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    export = commands.add_parser("export", help="write a model for other programs")
    export.add_argument("folder", metavar="DIR", help="a folder that doesn't exist yet, or is empty")
    export.add_argument(
        "--format", choices=["hf"], default="hf", help="hf: what Hugging Face's transformers reads"
    )
    add_model(export)
    export.set_defaults(command=_export)


def _export(args: argparse.Namespace) -> None:
    folder = Path(args.folder).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{args.folder} exists and is not empty; name a new folder")
    package = load_package(args.model)

    from gptmill.models.huggingface import export
    from gptmill.outs import new_outs, write_text
    from gptmill.tokens.huggingface import export_tokenizer

    with new_outs(folder) as (out,):
        export(package.model, out, package.tokenizer.eos_id)
        export_tokenizer(package.tokenizer, out, package.model.config.block_size)
        if package.card:
            write_text(out / "README.md", package.card)
    print(f"{args.folder}: for transformers' AutoModelForCausalLM and AutoTokenizer")
