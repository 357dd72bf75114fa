"""Git and DVC as commands: what a person would type, with errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gptmill.errors import UserError


def git(root: Path, *args: str) -> str:
    """What `git` prints.

    Raises:
        UserError: with Git's own words when it fails.
    """
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"git {' '.join(args)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def dvc(root: Path, *args: str) -> str:
    """What `dvc` prints to stdout.

    Raises:
        UserError: with DVC's own words when it fails.
    """
    code, output = run_dvc(root, *args)
    if code != 0:
        raise UserError(f"dvc {' '.join(args)} failed: {output.strip()}")
    return output.strip()


def run_dvc(root: Path, *args: str) -> tuple[int, str]:
    """Exit code and what `dvc` prints: stdout, or where it failed all of it."""
    done = subprocess.run([sys.executable, "-m", "dvc", *args], cwd=root, capture_output=True, text=True)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def stream_dvc(root: Path, *args: str) -> tuple[int, str]:
    """Run `dvc`, showing what it prints as it comes; exit code and the text, stdout and stderr together."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *args],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    return process.wait(), "".join(lines)
