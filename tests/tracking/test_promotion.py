"""Promotion: on evidence, once at a time, and back again."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import Server
from registered import RULES, Registry
from tracked_project import environment, write_documents

from gptmill.errors import UserError
from gptmill.evaluation.statistics import Comparison
from gptmill.fingerprint import dvc_md5
from gptmill.outs import read_json, write_json
from gptmill.tracking.client import tracking_uri
from gptmill.tracking.compare import Score
from gptmill.tracking.promotion import refused, rollback
from gptmill.tracking.pyfunc import incompatible, smoke


def score(name: str, low: float, high: float) -> Score:
    return Score(name, 1.0, 2.0, Comparison((low + high) / 2, low, high, 0.01), "7 documents")


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
