"""The team's server: who may do what, load, and a backup that can be restored."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pieces import ADMIN, DEPLOY, Team, missing

from gptmill.errors import UserError
from gptmill.tracking.client import connect, experiment_id
from gptmill.tracking.content import Point
from gptmill.tracking.exclusive import exclusive
from gptmill.tracking.fetch import open_registry
from gptmill.tracking.runs import log_points

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
PASSWORDS = {name: f"the password of {name}" for name in ("ada", "rea", "sam")} | {"admin": ADMIN}


@contextmanager
def acting(name: str | None, password: str | None = None) -> Iterator[None]:
    """What follows is done as this user; None: as nobody."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.delenv(variable, raising=False)
        if name is not None:
            patch.setenv("MLFLOW_TRACKING_USERNAME", name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", password or PASSWORDS[name])
        yield


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Ada writes, Rea reads, Sam has a password and nothing else."""
    team = Team(tmp_path_factory.mktemp("team"))
    try:
        team.start()
        users = module("users")
        with acting("admin"), pytest.MonkeyPatch.context() as patch:
            for name, role in (("ada", "reader"), ("ada", "writer"), ("rea", "reader")):
                patch.setenv("PASSWORD", PASSWORDS[name])
                users.add(team.uri, name, role)
            users.AuthServiceClient(team.uri).create_user("sam", PASSWORDS["sam"])
        yield team
    finally:
        team.kill()


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def run_id(team: Team, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run and a version of Ada's."""
    note = tmp_path_factory.mktemp("note") / "note.txt"
    note.write_text("hello")
    with acting("ada"):
        client = connect(team.uri)
        run = client.create_run(experiment_id(client), run_name="of Ada")
        client.log_artifact(run.info.run_id, str(note))
        client.create_model_version("gptmill", f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
        client.set_registered_model_alias("gptmill", "challenger", "1")
        return str(run.info.run_id)


def denied(act: Callable[[], Any]) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        act()
    except MlflowException as error:
        return "PERMISSION_DENIED" in str(error) or "403" in str(error) or "ermission denied" in str(error)
    return False


def test_a_writer_writes_and_deletes_nothing(team: Team, run_id: str) -> None:
    with acting("ada"):
        client = connect(team.uri)
        assert client.get_run(run_id).info.artifact_uri.startswith("mlflow-artifacts:"), "by the server only"
        with exclusive(client, team.uri, "gptmill"):
            client.set_registered_model_alias("gptmill", "champion", "1")
        assert denied(lambda: client.delete_run(run_id))
        assert denied(lambda: client.delete_model_version("gptmill", "1"))
        assert denied(lambda: client.delete_registered_model("gptmill"))
        assert denied(lambda: client.delete_experiment(experiment_id(client)))


def test_a_reader_reads_and_registers_nothing(team: Team, run_id: str, tmp_path: Path) -> None:
    with acting("rea"):
        client = connect(team.uri)
        assert Path(client.download_artifacts(run_id, "note.txt", str(tmp_path))).read_text() == "hello"
        assert client.get_model_version_by_alias("gptmill", "champion").version in (1, "1")
        assert denied(lambda: client.create_model_version("gptmill", "mlflow-artifacts:/x"))
        assert denied(lambda: client.set_registered_model_alias("gptmill", "champion", "1"))
        assert denied(lambda: client.create_run(experiment_id(client)))
        assert denied(lambda: client.log_metric(run_id, "a", 1.0))


def test_a_stranger_sees_nothing(team: Team, run_id: str) -> None:
    from mlflow import MlflowClient

    with acting("sam"):
        client = MlflowClient(tracking_uri=team.uri, registry_uri=team.uri)
        assert [one.name for one in client.search_experiments()] == []
        assert list(client.search_registered_models()) == []
        assert denied(lambda: client.get_run(run_id))
        assert denied(lambda: client.get_experiment_by_name("gptmill"))
        assert denied(lambda: client.list_artifacts(run_id))
        with pytest.raises(UserError, match=r"could not be read from .*ermission denied"):
            open_registry(team.uri, "models:/gptmill@champion")
    for name, password in ((None, None), ("ada", "a wrong password"), ("nobody", "knows")):
        with acting(name, password), pytest.raises(UserError, match=r"could not be read from .*401"):
            open_registry(team.uri, "models:/gptmill@champion")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{team.uri}/api/2.0/mlflow-artifacts/artifacts", timeout=10)


def send(client: Any, run_id: str, points: list[tuple[Point, int]]) -> None:
    """Again, when the server is too busy to answer in time, as the observer does."""
    from mlflow.exceptions import MlflowException

    for _ in range(20):
        with contextlib.suppress(MlflowException):
            return log_points(client, run_id, points)
    raise AssertionError("the server never answered")


def test_20_runs_at_once_lose_no_point(team: Team) -> None:
    with acting("ada"):
        client = connect(team.uri)

        def log(number: int) -> str:
            run = client.create_run(experiment_id(client), run_name=f"load {number}")
            points = [(Point("train_loss", number + step / 1000, step), step) for step in range(1, 2001)]
            for low in range(0, 2000, 250):
                send(client, str(run.info.run_id), points[low : low + 250])
            return str(run.info.run_id)

        with ThreadPoolExecutor(20) as pool:
            runs = list(pool.map(log, range(20)))
        for number, run in enumerate(runs):
            values = {p.step: p.value for p in client.get_metric_history(run, "train_loss")}
            assert values == {step: number + step / 1000 for step in range(1, 2001)}


def test_a_backup_is_restored(team: Team, run_id: str) -> None:
    folder = team.folder / "backup"
    team.run("bash", str(DEPLOY / "backup"), str(folder))
    assert "0 files copied" in team.run("bash", str(DEPLOY / "backup"), str(folder)), "only what is new"
    names = {"DATABASE_URI": "mlflow_new", "AUTH_DATABASE_URI": "mlflow_auth_new"}
    env = dict(team.env) | {"ARTIFACTS": "s3://restored/there"}
    for variable, name in names.items():
        team.sql(f"CREATE DATABASE {name}")
        env[variable] = env[variable].rpartition("/")[0] + f"/{name}"
    team.run("bash", str(DEPLOY / "restore"), str(folder), env=env)

    def count(variable: str, query: str) -> str:
        return team.run("psql", "-tAc", query, env[variable]).strip()

    assert count("DATABASE_URI", f"select name from runs where run_uuid = '{run_id}'") == "of Ada"
    assert count("AUTH_DATABASE_URI", "select count(*) from users") == "4"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, env[name])
        store = pytest.importorskip("boto3").client("s3", endpoint_url=env["MLFLOW_S3_ENDPOINT_URL"])
        found = store.list_objects_v2(Bucket="restored")["Contents"]
    assert any(entry["Key"].endswith("note.txt") for entry in found)
    again = subprocess.run(
        ["bash", str(DEPLOY / "restore"), str(folder)], env=env, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert "the database of DATABASE_URI is not empty" in again.stderr


def test_what_is_missing_is_said(team: Team) -> None:
    env = {key: value for key, value in team.env.items() if key != "ARTIFACTS"}
    done = subprocess.run(["bash", str(DEPLOY / "server")], env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "ARTIFACTS: files: s3://bucket/path" in done.stderr
    assert os.access(DEPLOY / "server", os.X_OK)
