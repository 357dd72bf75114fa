"""`publish`: everything once, from files alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tracked_project import environment

from gptmill.errors import UserError
from gptmill.fingerprint import dvc_md5, locked_inputs
from gptmill.outs import write_json
from gptmill.tracking.client import connect, experiment_id, tracking_uri
from gptmill.tracking.content import describe
from gptmill.tracking.publish import publish, stale_outs
from gptmill.tracking.runs import find_runs, is_complete, open_run

STAGES = ["pretrain", "finetune@provenance", "evaluate", "register"]


def test_a_project_whose_server_was_down_is_published_once(project: Path) -> None:
    assert "packaged but not registered" in (project / "repro.log").read_text()
    first = publish(project)
    assert [(p.stage, p.action) for p in first] == [(stage, "published") for stage in STAGES]
    again = publish(project)
    assert [(p.stage, p.action) for p in again] == [(stage, "present") for stage in STAGES]

    client = connect(tracking_uri(project))
    runs = client.search_runs([experiment_id(client)])
    assert len(runs) == len(STAGES)
    assert all(is_complete(run) and run.info.status == "FINISHED" for run in runs)
    assert len(client.search_model_versions("name = 'gptmill'")) == 1


def test_runs_of_the_lineage_are_published_too(project: Path) -> None:
    metrics = project / "reports/score/tiny/metrics.json"
    write_json(metrics, {"scores": {"exact": {"score": 0.5}}})
    out = {"path": "reports/score/tiny/metrics.json", "hash": "md5", "md5": dvc_md5(metrics)}
    stage = {"cmd": "python -m pipeline.score tiny", "outs": [out]}
    # YAML reads JSON.
    write_json(project / "lineage/dvc.lock", {"schema": "2.0", "stages": {"score@tiny": stage}})
    assert [(p.stage, p.action) for p in publish(project)][-1] == ("score@tiny", "published")
    assert publish(project)[-1].action == "present"
    inputs = locked_inputs("score@tiny", project / "lineage")
    (run,) = find_runs(connect(tracking_uri(project)), inputs.fingerprint)
    assert run.data.metrics["scores.exact.score"] == 0.5

    write_json(metrics, {"scores": {"exact": {"score": 0.6}}})
    assert publish(project)[-1].detail.startswith(
        "reports/score/tiny/metrics.json is not what dvc.lock records"
    )


def test_a_run_holds_what_the_files_hold(project: Path) -> None:
    publish(project)
    client = connect(tracking_uri(project))
    inputs = locked_inputs("pretrain", project)
    (run,) = find_runs(client, inputs.fingerprint)

    assert run.info.run_name == f"pretrain {inputs.fingerprint[:8]}"
    assert run.data.tags["gptmill.stage"] == "pretrain"
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    assert run.data.tags["gptmill.dirty"] == "false"
    assert run.data.tags["gptmill.gate/tokenize"] == "passed, 3 of 3 expectations"
    assert run.data.params == {
        "pretrain.max_steps": "20",
        "pretrain.model.n_layer": "1",
        "pretrain.optimizer.learning_rate": "0.001",
    }
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train_loss")] == list(range(1, 21))
    assert [m.step for m in client.get_metric_history(run.info.run_id, "val_loss")] == [10, 20]
    assert run.data.metrics["parameters"] == 9000
    (dataset,) = [item.dataset for item in run.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("data/tokens", inputs.deps["data/tokens"])
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {
        "gates",
        "lineage.json",
        "reports",
    }
    reports = {item.path for item in client.list_artifacts(run.info.run_id, "reports")}
    assert reports == {"reports/losses.csv", "reports/metrics.json"}
    lineage = json.loads(Path(client.download_artifacts(run.info.run_id, "lineage.json")).read_text())
    assert sorted(lineage) == ["dedupe", "gate@tokenize", "tokenize"]


def test_children_know_their_parent(project: Path) -> None:
    publish(project)
    client = connect(tracking_uri(project))
    (parent,) = find_runs(client, locked_inputs("pretrain", project).fingerprint)
    for stage in STAGES[1:]:
        (run,) = find_runs(client, locked_inputs(stage, project).fingerprint)
        assert run.data.tags["gptmill.parent"] == parent.data.tags["gptmill.fingerprint"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert "gptmill.parent" not in parent.data.tags


def test_a_torn_run_is_completed_and_its_twin_removed(project: Path) -> None:
    client = connect(tracking_uri(project))
    inputs = locked_inputs("pretrain", project)
    description = describe("pretrain", inputs, project)
    torn = open_run(client, description)
    assert open_run(client, description) == torn, "an unfinished run is gone on with"
    client.log_metric(torn, "train_loss", 6 - 1 / 20, step=1)
    client.create_run(experiment_id(client), tags=description.tags, run_name="twin")
    publish(project)
    (run,) = find_runs(client, inputs.fingerprint)
    assert is_complete(run)
    steps = sorted(m.step for m in client.get_metric_history(run.info.run_id, "train_loss"))
    assert steps == list(range(1, 21)), "what was there is not sent twice"


def test_reports_that_dvc_did_not_record_are_not_published(project: Path) -> None:
    assert stale_outs("pretrain", project) is None
    (project / "reports/pretrain/metrics.json").write_text('{"val_loss": 0.1}')
    shutil.rmtree(project / "models/package")
    actions = {p.stage: (p.action, p.detail) for p in publish(project)}
    assert actions["pretrain"][0] == "skipped"
    assert "reports/pretrain/metrics.json is not what dvc.lock records" in actions["pretrain"][1]
    assert "models/package is not what dvc.lock records" in actions["register"][1]
    assert actions["evaluate"][0] == "published"


def test_an_unreachable_server_is_a_message(project: Path) -> None:
    with pytest.raises(UserError, match=r"could not publish to http://127\.0\.0\.1:9: .*Connection refused"):
        publish(project, "http://127.0.0.1:9")


def test_a_full_disk_is_a_message_and_is_gone_on_with(project: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2000k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk of its own can be mounted by root only")
    uri = f"sqlite:///{disk / 'mlflow.db'}"
    try:
        with pytest.raises(UserError, match=r"could not publish to .*Free some space there, and run"):
            publish(project, uri)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        publish(project, uri)
        assert {p.action for p in publish(project, uri)} == {"present"}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_publish_works_from_any_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "prepared")
    before = {path.name for path in Path().iterdir()}
    assert len(publish()) == len(STAGES)
    assert (project / "mlflow.db").is_file()
    assert (project / "mlartifacts").is_dir()
    assert {path.name for path in Path().iterdir()} == before


def test_an_experiment_in_a_temporary_workspace_registers_with_the_project(project: Path) -> None:
    env = {name: value for name, value in environment().items() if name != "MLFLOW_TRACKING_URI"}
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        [*git, "add", "."],
        [*git, "commit", "-qm", "finished"],
        [*dvc, "exp", "run", "--temp", "--name", "wavy-cat", "-S", "register.confidence=0.9"],
    ):
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    client = connect(f"sqlite:///{project}/mlflow.db")
    (run,) = client.search_runs([experiment_id(client)])
    assert run.data.tags["gptmill.stage"] == "register"
    assert run.data.tags["gptmill.dvc_experiment"] == "wavy-cat"
    assert run.info.run_name == "register wavy-cat"
    assert run.data.params["register.confidence"] == "0.9"
    assert run.data.tags["gptmill.dirty"] == "true", "its parameters are in no commit of the project"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True).stdout
    assert run.data.tags["mlflow.source.git.commit"] == head.strip()
    assert run.info.artifact_uri.startswith((project / "mlartifacts").as_uri())
    assert str(client.get_model_version_by_alias("gptmill", "champion").version) == "1"
