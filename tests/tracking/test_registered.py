"""What a registered version can be asked, the commands of docs/registry.md, and a server that refuses."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from registered import Registry
from tracked_project import environment

from gptmill import cli
from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.tracking.client import tracking_uri
from gptmill.tracking.fetch import open_registry
from gptmill.tracking.publish import publish


def test_the_commands_of_the_docs(registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = (Path(__file__).parents[2] / "docs/registry.md").read_text()
    commands = [
        line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()
    ]
    assert {shlex.split(command)[1] for command in commands} == {
        "promote",
        "compare",
        "rollback",
        "lineage",
        "publish",
    }
    registry.add("first", 20.0)
    registry.add("better", 1.0)
    monkeypatch.chdir(registry.root)
    for command in commands:
        if "publish" in command:  # its package is not what dvc.lock records; see test_publish.py
            continue
        args = cli._parser().parse_args(shlex.split(command)[1:])
        args.command(args)
        assert capsys.readouterr().out, command
        if command == "gptmill promote":
            assert registry.aliases["champion"] == "2"
    assert registry.aliases == {"champion": "1", "challenger": "2", "previous": "2"}


def test_wrong_credentials_are_a_message(project: Path) -> None:
    """A server that answers as MLflow's basic-auth does to a stranger."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"You are not authenticated."
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(UserError, match=r"models:/gptmill@champion could not be read from .*401"):
            open_registry(uri, "models:/gptmill@champion")
        with pytest.raises(UserError, match=r"could not publish to .*401"):
            publish(project, uri)
        server.shutdown()


def test_lineage_names_sources_licences_and_documents(published: Path, tmp_path: Path) -> None:
    """In a fresh clone: no data, no cache, only the registry and DVC's remote."""
    command = [sys.executable, "-m", "dvc"]
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    for args, cwd in (
        ([*command, "remote", "add", "-d", "store", str(remote)], published),
        ([*command, "push", "-q"], published),
        (["git", "clone", "-q", str(published), str(clone)], tmp_path),
        ([*command, "remote", "add", "-d", "store", str(remote)], clone),
    ):
        done = subprocess.run(args, cwd=cwd, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    env = environment(tracking_uri(published))
    gptmill = [sys.executable, "-c", "from gptmill.cli import main; main()", "lineage"]
    gptmill.append("models:/gptmill@champion")
    done = subprocess.run(gptmill, cwd=clone, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "gptmill version 1"
    order = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert order[1:-1] == [
        "evaluate",
        "finetune@provenance",
        "pretrain",
        "gate@tokenize",
        "tokenize",
        "dedupe",
    ]
    assert "passed, 3 of 3 expectations" in done.stdout
    assert any(line.split()[0] == "CC0-1.0" and line.endswith("books") for line in lines[-2:])
    done = subprocess.run([*gptmill, "--documents"], cwd=clone, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == 180
    assert all(len(row) == 4 and len(row[0]) == 32 for row in rows)
    assert rows == sorted(rows)
    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(remote)
    done = subprocess.run([*gptmill, "--documents"], cwd=clone, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is neither in DVC's cache nor on its remote" in done.stderr
    assert "Traceback" not in done.stderr


def test_numbers_are_plain(registry: Registry) -> None:
    facts = read_json(registry.package / "facts.json")
    assert json.dumps(facts["scores"])
    assert set(facts["scores"]) == {"bits_per_byte", "tasks.provenance"}
    assert np.isfinite([value for found in facts["scores"].values() for value in found.values()]).all()
