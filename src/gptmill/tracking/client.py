"""Where runs go: the tracking URI, the embedded database, and a client that gives up within seconds."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "gptmill"

# A server that is down or hangs costs seconds: MLflow's own defaults are 120 s a request, 7 retries.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    # Would load the model again and predict, only to see which variables that reads.
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}


def find_root(start: str | Path = ".") -> Path | None:
    """The folder with dvc.yaml: `start` or the nearest folder above it; None outside any project.

    Not `DVC_ROOT`: in the copy that `dvc exp run --temp` works in, it still names the original.
    """
    here = Path(start).resolve()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), None)


def project_root(start: str | Path = ".") -> Path:
    """The same folder.

    Raises:
        UserError: when there is none.
    """
    root = find_root(start)
    if root is None:
        raise UserError(f"no dvc.yaml in {Path(start).resolve()} or above it; run from the project's folder")
    return root


def store_root(root: Path) -> Path:
    """The folder that keeps the runs of the project at `root`.

    `dvc exp run --temp` and `--queue` work in a copy, `<project>/.dvc/tmp/exps/<name>`, that is thrown
    away: its runs belong to the project.
    """
    parts = root.parts
    for i in range(len(parts) - 3):
        if parts[i : i + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:i])
    return root


def tracking_uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, else the project's own SQLite file; a SQLite path is always absolute."""
    home = store_root(root)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
    return absolute(uri, home)


def absolute(uri: str, home: Path) -> str:
    """`uri` with a relative SQLite path resolved against `home`, not against where a stage happens to run."""
    path = _sqlite_path(uri)
    return f"sqlite:///{home / path}" if path is not None else uri


def default_uri() -> str:
    """Where models are looked for: as `tracking_uri`; with `MLFLOW_TRACKING_URI` set, outside a project too."""
    outside = "MLFLOW_TRACKING_URI" in os.environ and find_root() is None
    return tracking_uri(Path.cwd() if outside else project_root())


def has_store(uri: str) -> bool:
    """Whether there may be something at `uri`: false only for a SQLite file that doesn't exist."""
    path = _sqlite_path(uri)
    return path is None or path.is_file()


def connect(uri: str, experiment: str = EXPERIMENT) -> MlflowClient:
    """A client for `uri`, with the database and the experiment in place.

    Several processes may come first at once; MLflow's migrations and its look-before-create of the
    experiment both race, so for a SQLite file one process at a time passes here.

    Raises:
        Exception: whatever MLflow raises when the server can't be reached.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    path = _sqlite_path(uri)
    if path is None:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        _make_experiment(client, experiment, None)
        return client
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f"{path.name}.lock")):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        _make_experiment(client, experiment, (path.parent / "mlartifacts").as_uri())
        return client


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """What MLflow or the network raises in the body becomes a message; a full disk stays what it is.

    Raises:
        UserError: naming the server and what it said.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{uri} did not do what it was asked: {reason(error)}") from error


def experiment_id(client: MlflowClient, experiment: str = EXPERIMENT) -> str:
    """The id of an experiment of ours, which `connect` has made."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise LookupError(f"the experiment {experiment} was removed from the server")
    return str(found.experiment_id)


def reason(error: BaseException) -> str:
    """An MLflow or network error as one line, without the chain of retries inside it."""
    innermost: Any = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__
    lines = str(innermost).strip().splitlines() or [""]
    return f"{type(innermost).__name__}: {lines[0][:200]}"


def is_full(error: BaseException) -> bool:
    """Does an error say that a disk is full: ours, SQLite's, or a server's in its own words?"""
    chain: list[Any] = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    numbers = (errno.ENOSPC, errno.EDQUOT)
    words = ("disk is full", "No space left on device")
    return any(getattr(e, "errno", None) in numbers or any(w in str(e) for w in words) for e in chain)


def lock_file(uri: str, what: str) -> Path | None:
    """A file beside a SQLite database, to be locked for `what`; None for a server."""
    path = _sqlite_path(uri)
    return path.with_name(f"{path.name}.{what}.lock") if path is not None else None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the file's lock and hold it; the kernel frees it when the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_experiment(client: MlflowClient, name: str, artifacts: str | None) -> None:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=artifacts)
        except MlflowException as error:  # another client of the same server was quicker
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
