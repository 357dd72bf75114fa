"""`gptmill retrain`: what CI runs."""

from __future__ import annotations

from typing import Any


def add_retrain(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
