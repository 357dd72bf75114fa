"""The short form of benchmarks/kills.py: killed with SIGKILL, then the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.outs import read_json

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_stages_end_with_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "3", "--documents", "60"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "out.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    kills = read_json(tmp_path / "out.json")["kills"]
    assert [kill["stage"] for kill in kills] == ["collect", "clean", "dedupe"]
    assert all(kill["same_bytes"] and not kill["left_behind"] for kill in kills)
