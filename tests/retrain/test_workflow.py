"""docs/retrain.md: the recipe for a conflict in dvc.lock, run; and the workflows that it speaks of."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DVC_YAML = """
stages:
  a:
    cmd: mkdir -p data && grep one params.yaml > data/a
    params: [one]
    outs: [data/a]
  b:
    cmd: (grep two params.yaml && cat data/a) > data/b
    deps: [data/a]
    params: [two]
    outs: [data/b]
"""


def test_the_recipe_for_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    root = tmp_path / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / ".gitignore").write_text("/data/\n")
    (root / "params.yaml").write_text("one: 1\n\n\n\ntwo: 1\n")

    def run(*command: str, ok: bool = True) -> str:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=os.environ)
        assert (done.returncode == 0) is ok, (command, done.stdout, done.stderr)
        return done.stdout

    def repro(text: str, message: str) -> None:
        (root / "params.yaml").write_text(text)
        run("dvc", "repro", "-q")
        run("git", "add", "-A")
        run("git", "commit", "-qm", message)

    run("git", "init", "-q", "-b", "main")
    run("dvc", "init", "-q")
    run("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    repro("one: 1\n\n\n\ntwo: 1\n", "first")
    run("git", "checkout", "-q", "-b", "branch")
    repro("one: 2\n\n\n\ntwo: 1\n", "theirs")
    run("git", "checkout", "-q", "main")
    repro("one: 1\n\n\n\ntwo: 2\n", "ours")
    run("git", "merge", "-q", "branch", ok=False)
    assert run("git", "diff", "--name-only", "--diff-filter=U").split() == ["dvc.lock"]

    page = (ROOT / "docs/retrain.md").read_text()
    (block,) = re.findall(r"## A conflict in dvc.lock.*?```bash\n(.*?)```", page, re.DOTALL)
    for command in block.splitlines():
        run(*shlex.split(command))
    assert run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert run("git", "status", "--porcelain") == ""
    assert (root / "data/b").read_text() == "two: 2\none: 2\n"


def test_the_workflow_is_thin_and_asks_for_little() -> None:
    workflow = YAML(typ="safe").load((ROOT / ".github/workflows/retrain.yml").read_text())
    assert set(workflow["on"]) == {
        "push",
        "pull_request",
        "schedule",
        "workflow_dispatch",
        "repository_dispatch",
    }
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["retrain"]
    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert "bash .ci/retrain" in scripts
    assert not any("${{" in script for script in scripts), "no text from outside in a script"
    gitlab = YAML(typ="safe").load((ROOT / ".gitlab-ci.yml").read_text())
    assert "bash .ci/retrain" in gitlab["retrain"]["script"]


@pytest.mark.parametrize("name", ["retrain.yml", "ci.yml"])
def test_actionlint(name: str) -> None:
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed (https://github.com/rhysd/actionlint)")
    done = subprocess.run(
        ["actionlint", str(ROOT / ".github/workflows" / name)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["retrain", "run"])
def test_the_scripts_are_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n", str(ROOT / ".ci" / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("code", "retrained"), [(0, False), (3, True), (1, False)])
def test_without_drift_nothing_is_retrained(tmp_path: Path, code: int, retrained: bool) -> None:
    """The script alone: what it makes of each exit code of `gptmill monitor`."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    commands = tmp_path / ".venv/bin"
    commands.mkdir(parents=True)
    for name, body in (("gptmill", f'echo "$@" >>said; [ "$1" != monitor ] || exit {code}'), ("dvc", "true")):
        (commands / name).write_text(f"#!/bin/bash\n{body}\n")
        (commands / name).chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "--allow-empty"]
    subprocess.run([*commit, "-m", "first"], cwd=tmp_path, check=True)
    env = os.environ | {"MONITOR": "--requests logs", "MLFLOW_TRACKING_URI": "x"}
    done = subprocess.run(["bash", ".ci/retrain"], cwd=tmp_path, env=env, capture_output=True, text=True)
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "monitor --requests logs --page monitor.html"
    assert said[1:] == (["retrain --report report.md"] if retrained else [])
    assert done.returncode == (1 if code == 1 else 0), done.stderr
