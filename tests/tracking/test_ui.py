"""A sweep of eight runs in MLflow's real UI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_server import Server
from ui import chromium, drive

from gptmill.fingerprint import locked_inputs
from gptmill.tracking.client import connect, experiment_id
from gptmill.tracking.content import MAX_KEYS, describe, results
from gptmill.tracking.publish import publish
from gptmill.tracking.runs import fill_run, open_run

NO_BROWSER = "Chromium is not installed (apt install chromium, or CHROMIUM=path)"


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)
def test_the_ui_is_good_to_read(
    project: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed (pip install playwright)")
    publish(project, server.uri)
    client = connect(server.uri)
    inputs = locked_inputs("pretrain", project)
    for number in range(1, 8):
        monkeypatch.setenv("DVC_EXP_NAME", f"sweep-{number}")
        changed = {**inputs.params, "pretrain": {**inputs.params["pretrain"], "max_steps": 20 + number}}
        description = describe("pretrain", replace(inputs, params=changed), project)
        run_id = open_run(client, description)
        fill_run(client, run_id, description, results("pretrain", description, project))
    runs = client.search_runs([experiment_id(client)], "tags.`gptmill.stage` = 'pretrain'")
    assert len(runs) == 8
    assert all(len(run.data.metrics) <= MAX_KEYS for run in runs)

    pages = drive(server.uri, str(chromium()), tmp_path, experiment_id(client))
    assert all(f"pretrain sweep-{number}" in pages["runs"] for number in range(1, 8))
    assert "Comparing 8 Runs from 1 Experiment" in pages["compare"]
    plot = pages["compare"].partition("Run details")[0]
    assert "pretrain.max_steps" in plot, "parallel coordinates show the parameter that differs"
    assert "@ champion" in pages["model"] or "champion" in pages["model"]
    assert "@ champion" in pages["version"]
    assert "CC0-1.0" in pages["version"], "the model card"
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in pages)
