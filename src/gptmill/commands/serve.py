"""`gptmill serve`: a registered model behind MLflow's scoring server."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from gptmill.commands.generate import CHAMPION
from gptmill.errors import UserError

AT_LEAST_ONE = ("at_once", "max_prompt_tokens", "max_new_tokens", "max_prompts", "max_body_bytes")


def add_serve(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    serve = commands.add_parser("serve", help="answer prompts over HTTP, with MLflow's scoring server")
    serve.add_argument("--model", default=CHAMPION, help=f"default: {CHAMPION}")
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    serve.add_argument("--port", type=int, default=5001, help="default: 5001")
    serve.add_argument("--at-once", type=int, default=1, help="prompts that run (default: 1)")
    serve.add_argument("--max-prompt-tokens", type=int, default=2048, help="of a prompt (default: 2048)")
    serve.add_argument("--max-new-tokens", type=int, default=512, help="of an answer (default: 512)")
    serve.add_argument("--max-prompts", type=int, default=16, help="in a request (default: 16)")
    serve.add_argument("--max-seconds", type=float, default=60.0, help="for a request (default: 60)")
    serve.add_argument("--max-body-bytes", type=int, default=1 << 20, help="of a request (default: 1048576)")
    serve.add_argument("--log", type=Path, help="write requests, personal data replaced, into this folder")
    serve.set_defaults(command=_serve)


def _serve(args: argparse.Namespace) -> None:
    for name in AT_LEAST_ONE:
        if getattr(args, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(args, name)}: at least 1 is needed")
    if not args.max_seconds > 0:
        raise UserError(f"--max-seconds {args.max_seconds}: must be more than 0")
    _check_free(args.host, args.port)

    import torch
    import uvicorn

    from gptmill.serving.app import make_app
    from gptmill.serving.model import Limits
    from gptmill.tracking.client import default_uri

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // args.at_once))
    limits = Limits(
        prompt_tokens=args.max_prompt_tokens,
        new_tokens=args.max_new_tokens,
        prompts=args.max_prompts,
        seconds=args.max_seconds,
        body_bytes=args.max_body_bytes,
    )
    app = make_app(args.model, default_uri(), limits, args.at_once, args.log)
    print(f"gptmill: serving {args.model} at http://{args.host}:{args.port}/invocations", flush=True)
    uvicorn.run(app, host=args.host, port=args.port, log_level="warning", access_log=False)


def _check_free(host: str, port: int) -> None:
    """Say that the port is taken before the model is loaded."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(f"--host {host} --port {port}: {error.strerror or error}") from None
