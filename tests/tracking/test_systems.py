"""The experiment that compares the systems of the lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptmill.fingerprint import Inputs
from gptmill.tracking.client import connect, experiment_id
from gptmill.tracking.content import FINGERPRINT
from gptmill.tracking.systems import SYSTEMS, log_systems
from gptmill.translation.facts import SystemFacts

NAMES = ("seq2seq", "transformer")


def facts(name: str, bleu: float) -> SystemFacts:
    scores = {"bleu": {"score": bleu, "low": bleu - 1, "high": bleu + 1, "signature": "s"}}
    return SystemFacts(
        name=name,
        metrics={"pairs": 3, "parameters": 900, "val_loss": 2.5, "primary": "bleu", "scores": scores},
        training={"steps": 7, "pairs": 30, "epochs": 1.5, "train_loss": 3.5},
        curve=[(7.0, 3.5)],
        by_length=[
            {"tokens": "0–9", "mean_tokens": 6.6, "pairs": 2.0, "score": 30.0, "low": 20.0, "high": 40.0},
            {"tokens": "10+", "mean_tokens": 12.2, "pairs": 1.0, "score": 10.0, "low": 5.0, "high": 15.0},
        ],
        alignments=[],
        predictions=[],
    )


def inputs(stage: str) -> Inputs:
    name = stage.partition("@")[2]
    return Inputs(cmd=stage, deps={}, params={f"translate.systems.{name}": {"n_embd": 16, "cell": "lstm"}})


def runs(uri: str) -> dict[str, Any]:
    client = connect(uri, SYSTEMS)
    return {run.info.run_name: run for run in client.search_runs([experiment_id(client, SYSTEMS)])}


def test_a_row_a_system(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = connect(uri)
    tags = {FINGERPRINT: inputs("translate@seq2seq").fingerprint}
    trained = client.create_run(experiment_id(client), tags=tags)
    client.log_metric(trained.info.run_id, "processor_seconds", 42.0)

    log_systems([facts(name, 20.0) for name in NAMES], inputs, uri)
    found = runs(uri)
    assert set(found) == set(NAMES)
    one = found["seq2seq"]
    assert one.info.status == "FINISHED"
    assert one.data.params == {
        "system": "seq2seq", "parameters": "900", "pairs": "30", "n_embd": "16", "cell": "lstm",
    }  # fmt: skip
    assert one.data.metrics["processor_seconds"] == 42.0
    assert one.data.metrics["bleu"] == 20.0
    assert one.data.metrics["bleu_low"] == 19.0
    curve = connect(uri).get_metric_history(one.info.run_id, "by_length/score")
    assert [(point.step, point.value) for point in curve] == [(7, 30.0), (12, 10.0)]
    assert "processor_seconds" not in found["transformer"].data.metrics  # nobody tracked its training

    # Again: nothing new for the same results, and a torn run is made whole.
    client.delete_tag(one.info.run_id, "gptmill.complete")
    log_systems([facts(name, 20.0) for name in NAMES], inputs, uri)
    again = runs(uri)
    assert again["transformer"].info.run_id == found["transformer"].info.run_id
    assert again["seq2seq"].info.run_id != one.info.run_id
    assert again["seq2seq"].data.metrics == one.data.metrics
    assert len(client.search_experiments()) == 3  # MLflow's Default, the flow's and this one


def test_a_server_that_is_down_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    log_systems([facts("seq2seq", 20.0)], inputs, "http://127.0.0.1:9")
    assert f"the experiment {SYSTEMS} lacks systems" in capsys.readouterr().err
