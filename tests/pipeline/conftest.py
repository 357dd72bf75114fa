"""A copy of this project, made small, in which tests run the real flow with real DVC and MLflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "tokenize.vocab_size": 512,
    "pretrain.model.block_size": 64,
    "pretrain.model.n_layer": 1,
    "pretrain.model.n_embd": 64,
    "pretrain.optimizer.warmup_steps": 15,
    "pretrain.batch_size": 16,
    "pretrain.max_steps": 150,
    "pretrain.eval_every": 50,
    "pretrain.checkpoint_every": 50,
    "finetune.tasks": {
        "provenance": {"kind": "provenance", "max_labels": 8, "max_train": 1500, "max_eval": 200}
    },
    "finetune.learning_rate": 2e-3,
    "evaluate.sample_tokens": 12,
    "evaluate.memorisation.prompts": 50,
}
SOURCES = ("networkx", "sqlalchemy")  # the docstrings of two packages: real text, 4 MB


@dataclass(frozen=True)
class Project:
    root: Path

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user in the project's folder; stdout and stderr together."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
        )

    @property
    def env(self) -> dict[str, str]:
        bin_folder = str(Path(sys.executable).parent)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "DVC"))}
        path = f"{bin_folder}{os.pathsep}{kept['PATH']}"
        return kept | {"PATH": path, "PYTHONPATH": str(self.root / "src")}

    def repro(self, *args: str) -> list[str]:
        """`dvc repro`, which must succeed; the stages that it ran, in order."""
        done = self.run("dvc", "repro", *args)
        assert done.returncode == 0, done.stdout
        return re.findall(r"Running stage '([^']+)'", done.stdout)

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.root / name
        before = path.read_text()
        after = change(before)
        assert after != before
        path.write_text(after)

    def set_params(self, changes: dict[str, Any]) -> None:
        yaml = YAML()
        path = self.root / "params.yaml"
        params = yaml.load(path.read_text())
        for key, value in changes.items():
            *parents, last = key.split(".")
            here = params
            for parent in parents:
                here = here[parent]
            here[last] = value
        with path.open("w") as file:
            yaml.dump(params, file)


def make_project(folder: Path) -> Project:
    """The files that Git would commit, as they are now, with small params, in a repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("reports/", "tests/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    sources = YAML().load((folder / "params.yaml").read_text())["collect"]["sources"]
    project.set_params(SMALL | {"collect.sources": [s for s in sources if s["name"] in SOURCES]})
    for command in (
        ("git", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-qm", "small"),
    ):
        done = project.run(*command)
        assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pipeline"
    folder.mkdir(exist_ok=True)
    return folder


def first_run(shared: Path) -> tuple[Project, str]:
    """A small project that has run once, whichever process came first, and its dvc.lock after that run."""
    root, lock = shared / "first", shared / "dvc.lock"
    with FileLock(shared / "being_made"):
        if not lock.exists():
            shutil.rmtree(root, ignore_errors=True)
            ran = make_project(root).repro()
            assert ran[:2] == ["code", "params"]
            assert ran[-1] == "register"
            shutil.copy2(root / "dvc.lock", lock)
    return Project(root), lock.read_text()


@pytest.fixture(scope="session")
def project(shared: Path) -> Project:
    return first_run(shared)[0]
