"""Promotion: on evidence, once at a time, and back again."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow_server import Server
from tracked_project import environment, write_documents

from gptmill import cli
from gptmill.errors import UserError
from gptmill.evaluation.statistics import Interval
from gptmill.fingerprint import dvc_md5, locked_inputs
from gptmill.models import load_model, save_model
from gptmill.outs import read_json, write_json
from gptmill.params.register import Register
from gptmill.tracking.client import connect, tracking_uri
from gptmill.tracking.compare import Score
from gptmill.tracking.content import describe
from gptmill.tracking.fetch import open_registry
from gptmill.tracking.promotion import Decision, promote, refused, rollback
from gptmill.tracking.publish import publish
from gptmill.tracking.pyfunc import incompatible, smoke
from gptmill.tracking.registry import register
from gptmill.tracking.runs import open_run
from gptmill.tracking.scores import TASKS, write_scores

RULES = Register(
    name="gptmill",
    primary="bits_per_byte",
    min_gain=0.0,
    margins={"tasks": 0.05, "bits_per_byte": 0.01},
    confidence=0.95,
    resamples=200,
    smoke_prompt=None,
)


def score(name: str, low: float, high: float) -> Score:
    return Score(name, 1.0, 2.0, Interval((low + high) / 2, low, high), "7 documents")


@pytest.mark.parametrize(
    ("scores", "rules", "reason"),
    [
        ([score("bits_per_byte", 0.01, 0.03)], {}, None),
        ([score("bits_per_byte", -0.01, 0.03)], {}, r"gain \+0.01 \[-0.01, \+0.03\].*it must lie above 0"),
        ([score("bits_per_byte", 0.01, 0.03)], {"min_gain": 0.02}, "it must lie above 0.02"),
        ([score("bits_per_byte", 0.01, 0.03), score("tasks.a", -0.04, 0.0)], {}, None),
        ([score("bits_per_byte", 0.01, 0.03), score("tasks.a", -0.06, 0.3)], {}, "its margin is 0.05"),
        (
            [score("bits_per_byte", 0.01, 0.03), score("tasks.a", -0.06, 0.0)],
            {"margins": {"tasks.a": 0.1}},
            None,
        ),
        (
            [
                score("bits_per_byte", 0.01, 0.03),
                Score("tasks.a", 0.1, 0.9, None, "its test examples are others"),
            ],
            {},
            None,
        ),
        (
            [score("bits_per_byte", 0.01, 0.03), Score("tasks.a", 0.1, 0.9, None, "other examples")],
            {"primary": "tasks.a"},
            "tasks.a: not comparable",
        ),
        (
            [score("bits_per_byte", -0.02, 0.03), score("tasks.a", 0.1, 0.3)],
            {"primary": "tasks.a"},
            "bits_per_byte .*its margin is 0.01",
        ),
    ],
)
def test_the_rule(scores: list[Score], rules: dict[str, Any], reason: str | None) -> None:
    why = refused(scores, RULES.model_copy(update=rules))
    assert (why is None) if reason is None else re.search(reason, why or ""), why


def test_a_rule_that_names_no_score_is_a_message() -> None:
    scores = [score("bits_per_byte", 0.1, 0.2), score("tasks.a", 0.1, 0.2)]
    with pytest.raises(UserError, match=r'share no score "tasks.b"; did you mean "tasks.a"\?'):
        refused(scores, RULES.model_copy(update={"primary": "tasks.b"}))
    with pytest.raises(UserError, match=r"register\.margins: names neither tasks\.a nor tasks"):
        refused(scores, RULES.model_copy(update={"margins": {}}))


def test_a_signature_that_takes_less_is_not_compatible() -> None:
    text = [{"type": "string", "required": True}]
    params = [{"name": "seed", "type": "long"}, {"name": "top_k", "type": "long"}]
    ours = {"inputs": text, "outputs": text, "params": params}
    assert incompatible(ours, ours) is None
    assert incompatible(ours, {**ours, "params": params[:1]}) is None, "more parameters harm nobody"
    assert "top_k (long) is not taken" in str(incompatible({**ours, "params": params[:1]}, ours))
    assert "inputs" in str(incompatible({**ours, "inputs": [{"type": "double"}]}, ours))
    assert incompatible({**ours, "params": None}, {**ours, "params": None}) is None


class Registry:
    """A project whose package a test changes and registers."""

    def __init__(self, root: Path, uri: str) -> None:
        self.root, self.uri, self.package = root, uri, root / "models/package"
        self.client = connect(uri)
        self.description = describe("register", locked_inputs("register", root), root)
        self.run_id = open_run(self.client, self.description)

    def add(self, name: str, scale: float, accuracy: float = 0.5) -> str:
        """Register a model whose weights are the first one's times `scale`: the larger, the surer, the worse."""
        model = load_model(self.root / "models/pretrain")
        for weight in model.parameters():
            weight.data *= scale
        save_model(model, self.package)
        shutil.rmtree(self.package / TASKS)
        write_scores(self.root, self.package)
        right = int(200 * accuracy)
        with (self.package / TASKS / "provenance.csv").open("w", newline="") as file:
            rows = [("a", "a")] * right + [("a", "b")] * (200 - right)
            csv.writer(file).writerows([("label", "predicted"), *rows])
        description = replace(self.description, tags={**self.description.tags, "gptmill.fingerprint": name})
        return register(self.client, self.uri, RULES, description, self.run_id, self.root)

    def promote(self, which: str = "challenger", **options: Any) -> Decision:
        return promote(self.client, self.uri, RULES, self.root, which, **options)

    @property
    def aliases(self) -> dict[str, str]:
        found = self.client.get_registered_model("gptmill").aliases
        return {alias: str(number) for alias, number in found.items()}

    def tags(self, number: str) -> dict[str, str]:
        return dict(self.client.get_model_version("gptmill", number).tags)


@pytest.fixture
def registry(project: Path) -> Registry:
    return Registry(project, tracking_uri(project))


def test_the_life_of_a_champion(registry: Registry) -> None:
    assert registry.add("first", 20.0) == "1"
    assert registry.aliases == {"champion": "1", "challenger": "1"}
    assert registry.tags("1")["gptmill.reason"] == "champion: there was none"
    assert registry.promote().reason == "it is champion already (champion: there was none)"

    assert registry.add("better", 1.0) == "2"
    assert registry.aliases == {"champion": "1", "challenger": "2"}, "nothing changes hands by itself"
    dry = registry.promote(dry_run=True)
    assert dry.wins
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    done = registry.promote()
    assert done == dry
    assert registry.aliases == {"champion": "2", "challenger": "2", "previous": "1"}
    tags = registry.tags("2")
    assert tags["gptmill.reason"].startswith("champion instead of version 1: bits_per_byte")
    assert tags["gptmill.promotion"] == "promoted"
    assert tags["gptmill.against"] == "1"
    assert "on 20 documents" in tags["gptmill.gain.bits_per_byte"]

    assert registry.add("worse", 5.0) == "3"
    assert not registry.promote().wins
    assert registry.aliases == {"champion": "2", "challenger": "3", "previous": "1"}
    assert registry.tags("3")["gptmill.reason"].startswith("version 2 stays champion: bits_per_byte")
    assert registry.add("same", 1.0) == "4"
    assert "gain +0 [+0, +0]" in registry.promote().reason

    assert registry.add("better, but", 0.0, accuracy=0.3) == "5"
    decision = registry.promote()
    assert "tasks.provenance 0.3 against 0.5" in decision.reason
    assert "its margin is 0.05" in decision.reason
    assert registry.promote("1", dry_run=True).reason.startswith("version 2 stays champion")

    assert rollback(registry.client, registry.uri, "gptmill", dry_run=True).version.number == "1"
    rollback(registry.client, registry.uri, "gptmill")
    assert registry.aliases == {"champion": "1", "challenger": "5", "previous": "2"}
    assert registry.tags("1")["gptmill.reason"] == "champion: rolled back from version 2"
    rollback(registry.client, registry.uri, "gptmill")
    assert registry.aliases["champion"] == "2"


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


def test_a_failed_gate_or_lost_files_stop_a_promotion(registry: Registry) -> None:
    registry.add("first", 20.0)
    with pytest.raises(UserError, match='no alias "previous"'):
        rollback(registry.client, registry.uri, "gptmill")
    registry.add("second", 1.0)
    registry.client.set_model_version_tag(
        "gptmill", "2", "gptmill.gate/tokenize", "failed, 2 of 3 expectations"
    )
    assert registry.promote().reason == (
        "version 1 stays champion: gate@tokenize: failed, 2 of 3 expectations"
    )
    source = registry.client.get_model_version_download_uri("gptmill", "2")
    shutil.rmtree(source.removeprefix("file://"))
    with pytest.raises(
        UserError, match=r"gptmill version 2: its files could not be read from .*If they are gone"
    ):
        registry.promote()


def test_other_test_data_are_fetched_and_scored_again(registry: Registry) -> None:
    """The champion was tested on other documents, and trained on some that are test documents now."""
    registry.add("first", 20.0)
    texts = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    documents = registry.root / "data/dedupe/documents.parquet"
    documents.unlink()
    write_documents(documents, [*(f"A new one, {i}." for i in range(20)), *texts[15:]])
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "commit", "-f", "-q", "dedupe"],
        cwd=registry.root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = read_json(registry.package / "facts.json")
    now = str(dvc_md5(documents))
    made_from = {**facts["made_from"], "data/dedupe/documents.parquet": now}
    write_json(registry.package / "facts.json", {**facts, "test_data": "other", "made_from": made_from})
    registry.add("second", 1.0)
    documents.unlink()
    decision = registry.promote(dry_run=True)
    assert decision.wins, decision.reason
    assert decision.scores[0].units.startswith("2 documents"), "it was trained on the other 19"


def test_the_served_model_is_asked(registry: Registry, tmp_path: Path) -> None:
    registry.add("first", 1.0)
    source = registry.client.get_model_version_download_uri("gptmill", "1")
    folder = Path(source.removeprefix("file://"))
    assert smoke(folder, "The array is") is None
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "artifacts/package/tokenizer.model").unlink()
    assert "tokenizer.model is missing" in str(smoke(broken, "The array is"))


@pytest.fixture(params=["file", "server"])
def shared(request: pytest.FixtureRequest, project: Path) -> Iterator[Registry]:
    if request.param == "file":
        yield Registry(project, tracking_uri(project))
        return
    server: Server = request.getfixturevalue("server")
    yield Registry(project, server.uri)


def test_two_promotions_at_once_end_in_one_state(shared: Registry) -> None:
    shared.add("first", 20.0)
    shared.add("second", 5.0)
    shared.add("third", 1.0)
    with ThreadPoolExecutor(2) as pool:
        second, third = pool.map(lambda which: Registry(shared.root, shared.uri).promote(which), ["2", "3"])
    assert third.wins, "the best wins, whoever comes first"
    assert shared.aliases["champion"] == "3"
    if second.wins:  # it came first, so the third was judged against it
        assert shared.aliases["previous"] == "2"
        assert third.champion is not None
        assert third.champion.number == "2"
    else:
        assert shared.aliases["previous"] == "1"
        assert second.champion is not None
        assert second.champion.number == "3"
    names = {model.name for model in shared.client.search_registered_models()}
    assert names == {"gptmill"}, "no lock is left"


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
