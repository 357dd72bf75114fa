"""Where runs go."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.errors import UserError
from gptmill.tracking.client import connect, experiment_id, project_root, store_root, tracking_uri


def test_the_default_is_absolute_and_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert project_root() == tmp_path
    assert tracking_uri(project_root()) == f"sqlite:///{tmp_path}/mlflow.db"


def test_an_experiment_workspace_writes_to_the_project(tmp_path: Path) -> None:
    workspace = tmp_path / ".dvc" / "tmp" / "exps" / "tmpx1y2"
    workspace.mkdir(parents=True)
    assert store_root(workspace) == tmp_path
    assert tracking_uri(workspace) == f"sqlite:///{tmp_path}/mlflow.db"
    assert store_root(tmp_path) == tmp_path


def test_the_variable_wins_and_a_relative_file_is_the_project_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert tracking_uri(tmp_path) == "http://tracking.example:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs/mlflow.db")
    assert tracking_uri(tmp_path / ".dvc/tmp/exps/one") == f"sqlite:///{tmp_path}/runs/mlflow.db"


def test_no_project_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no dvc\.yaml in .* or above it"):
        project_root()


def test_several_first_uses_at_once_make_one_experiment(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    code = (
        "from gptmill.tracking.client import connect, experiment_id;"
        f"c = connect({uri!r}); c.create_run(experiment_id(c)); print(experiment_id(c))"
    )
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert len({out for out, _ in ended}) == 1
    client = connect(uri)
    assert len(client.search_runs([experiment_id(client)])) == 3
    database = sqlite3.connect(tmp_path / "mlflow.db")
    assert database.execute("select count(*) from experiments where name = 'gptmill'").fetchone() == (1,)
    database.close()


def test_artifacts_of_the_default_lie_beside_the_database(tmp_path: Path) -> None:
    client = connect(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.create_run(experiment_id(client))
    assert run.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())


def test_a_deleted_experiment_comes_back(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = connect(uri)
    client.delete_experiment(experiment_id(client))
    again = connect(uri)
    again.create_run(experiment_id(again))
