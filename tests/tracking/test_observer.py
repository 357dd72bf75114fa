"""The observer against real servers that live, die, hang or never were."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gptmill.fingerprint import Inputs, locked_inputs
from gptmill.tracking import observer
from gptmill.tracking.client import connect, experiment_id, tracking_uri
from gptmill.tracking.content import MAX_POINTS
from gptmill.tracking.fetch import load_registered
from gptmill.tracking.observer import tracked_run
from gptmill.tracking.package import Package
from gptmill.tracking.publish import publish
from gptmill.tracking.runs import find_runs, is_complete


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "INTERVAL", 0.1)


@pytest.fixture
def inputs(project: Path) -> Inputs:
    return locked_inputs("pretrain", project)


def steps(client: Any, run_id: str, key: str) -> list[int]:
    return sorted(metric.step for metric in client.get_metric_history(run_id, key))


def train(run: Any, first: int = 1, last: int = 20, pause: float = 0.0) -> None:
    """What training tells: the losses of losses.csv, and a speed that is in no file."""
    for step in range(first, last + 1):
        run.log_metrics({"train_loss": 6 - step / 20, "tokens_per_second": 100.0}, step)
        time.sleep(pause)


def test_what_is_logged_live_and_what_publish_makes_is_one_run(
    project: Path, inputs: Inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked_run("pretrain", inputs, root=project) as run:
        train(run, pause=0.05)
    client = connect(tracking_uri(project))
    (found,) = find_runs(client, inputs.fingerprint)
    assert is_complete(found)
    assert found.info.status == "FINISHED"
    assert found.data.params["pretrain.max_steps"] == "20"
    assert found.data.metrics["parameters"] == 9000
    assert steps(client, found.info.run_id, "train_loss") == list(range(1, 21))
    assert steps(client, found.info.run_id, "tokens_per_second") == list(range(1, 21))
    assert steps(client, found.info.run_id, "val_loss") == [10, 20], "from the files"
    assert found.data.metrics["system/system_memory_usage_percentage"] > 0
    assert publish(project)[0].action == "present"
    assert capsys.readouterr().err == ""


def test_a_server_killed_in_the_middle_is_caught_up(
    project: Path,
    inputs: Inputs,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with tracked_run("pretrain", inputs, root=project) as run:
        train(run, 1, 10)
        client = connect(server.uri)
        wait_for(lambda: any("train_loss" in r.data.metrics for r in find_runs(client, inputs.fingerprint)))
        server.kill()
        train(run, 11, 20, pause=0.3)
        start = time.monotonic()
    assert time.monotonic() - start < 30
    warnings = capsys.readouterr().err
    assert warnings.count("warning") == 1
    assert "gptmill publish" in warnings

    server.start()
    (torn,) = find_runs(client, inputs.fingerprint)
    assert not is_complete(torn)
    assert publish(project)[0].action == "published"
    assert {item.action for item in publish(project)} == {"present"}
    (found,) = find_runs(client, inputs.fingerprint)
    assert found.info.run_id == torn.info.run_id
    assert is_complete(found)
    assert steps(client, found.info.run_id, "train_loss") == list(range(1, 21))
    assert steps(client, found.info.run_id, "val_loss") == [10, 20]
    assert {a.path for a in client.list_artifacts(found.info.run_id)} == {"gates", "lineage.json", "reports"}
    ours = Package.load(project / "models/package").complete("The array")
    assert load_registered("models:/gptmill@champion", server.uri).complete("The array") == ours


def test_a_server_that_is_back_at_the_end_gets_everything(
    project: Path, inputs: Inputs, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setattr(observer, "RETRY", 100.0)
    with tracked_run("pretrain", inputs, root=project) as run:
        train(run, 1, 10)
        client = connect(server.uri)
        wait_for(lambda: any("train_loss" in r.data.metrics for r in find_runs(client, inputs.fingerprint)))
        server.kill()
        train(run, 11, 20, pause=0.5)
        server.start()
    (found,) = find_runs(client, inputs.fingerprint)
    assert is_complete(found)
    assert steps(client, found.info.run_id, "train_loss") == list(range(1, 21))


def test_a_server_that_never_was_costs_seconds_and_one_warning(
    project: Path, inputs: Inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    with tracked_run("pretrain", inputs, root=project, uri="http://127.0.0.1:9") as run:
        train(run, pause=0.1)
    assert time.monotonic() - start < 20
    warnings = capsys.readouterr().err
    assert warnings.count("warning") == 1
    assert "Connection refused" in warnings


def test_a_server_that_hangs_costs_seconds_and_one_warning(
    project: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(observer, "PATIENCE", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        uri = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        start = time.monotonic()
        with tracked_run("pretrain", inputs, root=project, uri=uri) as run:
            train(run)
            told = time.monotonic() - start
        ended = time.monotonic() - start
    assert told < 0.5, "training waits for nobody"
    assert ended < 10
    assert capsys.readouterr().err.count("warning") == 1


def test_a_resumed_stage_goes_on_with_its_run(project: Path, inputs: Inputs) -> None:
    with (
        contextlib.suppress(KeyboardInterrupt),
        tracked_run("pretrain", inputs, root=project) as run,
    ):
        train(run, 1, 12, pause=0.05)
        raise KeyboardInterrupt
    client = connect(tracking_uri(project))
    (killed,) = find_runs(client, inputs.fingerprint)
    assert killed.info.status == "KILLED"
    assert not is_complete(killed)
    with tracked_run("pretrain", inputs, root=project) as run:
        train(run, 9, 20)  # from the last checkpoint
    (found,) = find_runs(client, inputs.fingerprint)
    assert found.info.run_id == killed.info.run_id
    assert is_complete(found)
    assert steps(client, found.info.run_id, "tokens_per_second") == list(range(1, 21))


def test_a_stage_that_fails_leaves_a_failed_run(project: Path, inputs: Inputs) -> None:
    with contextlib.suppress(ZeroDivisionError), tracked_run("pretrain", inputs, root=project) as run:
        train(run)
        time.sleep(2)
        raise ZeroDivisionError
    (found,) = find_runs(connect(tracking_uri(project)), inputs.fingerprint)
    assert found.info.status == "FAILED"
    assert not is_complete(found)


def test_the_same_inputs_again_make_no_second_run(project: Path, inputs: Inputs) -> None:
    for _ in range(2):
        with tracked_run("pretrain", inputs, root=project) as run:
            train(run)
    client = connect(tracking_uri(project))
    assert len(client.search_runs([experiment_id(client)])) == 1


def test_only_the_first_of_several_processes_is_observed(
    project: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with tracked_run("pretrain", inputs, root=project) as run:
        train(run)
    assert threading.active_count() == 1 or "gptmill-tracking" not in {t.name for t in threading.enumerate()}
    assert not (project / "mlflow.db").exists()


def test_logging_is_cheap_and_curves_stay_small(project: Path, inputs: Inputs) -> None:
    run = observer.Run("pretrain", inputs, project, "sqlite:///unused", total_steps=50_000)
    start = time.perf_counter()
    for step in range(50_001):
        run.log_metrics({"train_loss": 1.0}, step)
    assert time.perf_counter() - start < 2.0
    kept = [point.step for point, _ in run._buffer.take()]
    assert len(kept) == MAX_POINTS
    gaps = {b - a for a, b in itertools.pairwise(kept)}
    assert gaps <= {25, 26}, "evenly"


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
