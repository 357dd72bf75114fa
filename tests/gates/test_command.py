"""`python -m pipeline.gate <stage>` as DVC runs it, and the tables that docs/gates.md promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from planting import REPOSITORY

from gptmill.gates.views import STAGES, view


def command(project, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = [sys.executable, "-m", "pipeline.gate", *arguments]
    return subprocess.run(run, cwd=project.root, env=environment, capture_output=True, text=True, check=False)


def test_a_gate_that_passes_says_nothing(project):
    done = command(project, "evaluate")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (project.root / "data/gates/evaluate.json").is_file()


def test_a_gate_that_fails_exits_with_1_and_its_message_alone(project):
    project.edit_json("reports/evaluate/metrics.json", lambda metrics: metrics.update(bits_per_byte=9.5))
    done = command(project, "evaluate")
    assert done.returncode == 1
    assert done.stderr.startswith("gptmill: error: gate@evaluate failed: 2 of ")
    assert done.stderr.splitlines()[-1] == "  report:    reports/gates/evaluate.json"


@pytest.mark.parametrize("arguments", [[], ["tokenise"]])
def test_usage(project, arguments):
    done = command(project, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_docs_name_every_table_and_column(project, stage):
    page = (REPOSITORY / "docs/gates.md").read_text()
    section = re.search(rf"^### {stage}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)[1]
    promised = {
        name: set(re.findall(r"`(\w+)`", columns))
        for name, columns in re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
    }
    tables = view(stage).tables(project.root)
    assert set(promised) == set(tables)
    for name, columns in promised.items():
        assert columns <= set(tables[name].columns), name
