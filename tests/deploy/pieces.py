"""The team's server without containers: PostgreSQL, an S3 endpoint and deploy/server as processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
ADMIN = "a long password of the admin"


def missing() -> str | None:
    """Why the pieces can't run here; None where they can."""
    for program in ("postgres", "initdb", "pg_dump"):
        if shutil.which(program) is None:
            return f"PostgreSQL's {program} is not installed (apt install postgresql; its bin folder on PATH)"
    for module in ("psycopg", "flask_wtf", "moto", "flask"):
        try:
            __import__(module)
        except ImportError:
            return f"{module} is not installed (pip install gptmill[team])"
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Team:
    """All three, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {name: free_port() for name in ("database", "store", "server")}
        self.uri = f"http://127.0.0.1:{self.ports['server']}"
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.data = Path(tempfile.mkdtemp(prefix="team-"))  # pytest's own folders are closed to other users

    @property
    def env(self) -> dict[str, str]:
        """What deploy/server, backup and restore need."""
        database = f"postgresql://mlflow@127.0.0.1:{self.ports['database']}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "AWS"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
            "DATABASE_URI": f"{database}/mlflow",
            "AUTH_DATABASE_URI": f"{database}/mlflow_auth",
            "ARTIFACTS": "s3://mlflow/artifacts",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['store']}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests",
            "PORT": str(self.ports["server"]),
            "WORKERS": "1",
        }

    def as_user(self, name: str, password: str) -> dict[str, str]:
        """The environment of a client."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "AWS"))}
        return kept | {
            "PATH": self.env["PATH"],
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
        }

    def start(self) -> None:
        """Everything, from empty."""
        self.start_database()
        self._spawn("store", [sys.executable, "-m", "moto.server", "-p", str(self.ports["store"])])
        self._wait("store", lambda: _answers(f"http://127.0.0.1:{self.ports['store']}/"))
        self.run(sys.executable, str(DEPLOY / "bucket.py"), "make")
        self.start_server()

    def start_database(self) -> None:
        if self.user:
            shutil.chown(self.data, self.user)
        command = ["initdb", "-D", str(self.data), "-U", "mlflow", "-A", "trust", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd="/")
        port = str(self.ports["database"])
        command = ["postgres", "-D", str(self.data), "-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1"]
        self._spawn("database", [*command, "-c", "fsync=off"], user=self.user)
        ready = ["pg_isready", "-h", "127.0.0.1", "-p", port, "-U", "mlflow"]
        self._wait("database", lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        for name in ("mlflow", "mlflow_auth"):
            self.sql(f"CREATE DATABASE {name}")

    def sql(self, command: str) -> None:
        psql = [
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.ports["database"]),
            "-U",
            "mlflow",
            "-d",
            "postgres",
        ]
        subprocess.run([*psql, "-c", command], capture_output=True)

    def start_server(self) -> None:
        self._spawn("server", ["bash", str(DEPLOY / "server")])
        self._wait("server", lambda: _answers(f"{self.uri}/health"))

    def run(self, *command: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=env or self.env, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def kill(self, *names: str) -> None:
        """`kill -9` of these pieces, or of all."""
        for name in names or tuple(self.processes):
            process = self.processes.pop(name, None)
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)
        if not self.processes:
            shutil.rmtree(self.data)

    def _spawn(self, name: str, command: list[str], user: str | None = None) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        cwd = "/" if user else self.folder
        self.processes[name] = subprocess.Popen(
            command, cwd=cwd, env=self.env, stdout=log, stderr=log, start_new_session=True, user=user
        )

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        for _ in range(1200):
            if ready():
                return
            assert self.processes[name].poll() is None, (self.folder / f"{name}.log").read_text()
            time.sleep(0.1)
        raise AssertionError(f"{name} did not start within two minutes")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
