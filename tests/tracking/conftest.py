"""A project that real `dvc repro` has run (its stages only copy), and real MLflow servers to break."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_server import Server
from registered import Registry
from tracked_project import DVC_YAML, PARAMS_YAML, environment, prepare

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to, or waits for, a server of whoever runs the tests."""
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "DVC_ROOT",
        "DVC_EXP_NAME",
        "RANK",
        "LOCAL_RANK",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after `dvc repro`, with a tracking server that is down; tests work on copies."""
    root = tmp_path_factory.mktemp("finished") / "project"
    (root / "pipeline").mkdir(parents=True)
    prepare(root / "prepared")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text(PARAMS_YAML)
    (root / ".gitignore").write_text("/data/\n/models/\n/mlflow.db*\n/mlartifacts/\n__pycache__/\n")
    shutil.copy(REPOSITORY / "pipeline" / "register.py", root / "pipeline")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        [*dvc, "config", "core.analytics", "false"],
        [*git, "add", "."],
        [*git, "commit", "-qm", "project"],
        [*dvc, "repro"],
    ):
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, env=environment(), check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    (root / "repro.log").write_text(done.stdout + done.stderr)
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project that a test may change."""
    root = tmp_path / "project"
    shutil.copytree(finished, root, ignore=shutil.ignore_patterns("tmp"))
    return root


@pytest.fixture(scope="session")
def published(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished project with its runs and model on its own server; tests only read it."""
    from gptmill.tracking.publish import publish

    root = tmp_path_factory.mktemp("published") / "project"
    shutil.copytree(finished, root, ignore=shutil.ignore_patterns("tmp"))
    publish(root, f"sqlite:///{root / 'mlflow.db'}")
    return root


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server with an empty database."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def registry(project: Path) -> Registry:
    """The project and its own registry."""
    from gptmill.tracking.client import tracking_uri

    return Registry(project, tracking_uri(project))
