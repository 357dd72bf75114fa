"""The main job, end to end: `dvc repro` from real text to a registered GPT, again, changed, and broken."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SOURCES, Project

STAGES = {
    "code",
    "params",
    "collect",
    "clean",
    "dedupe",
    "corpus",
    "tokenize",
    "pretrain",
    "tasks",
    "finetune@provenance",
    "evaluate",
    "report",
    "register",
}
GATES = {
    f"gate@{stage}"
    for stage in ("collect", "clean", "dedupe", "tokenize", "pretrain", "finetune", "evaluate")
}


@pytest.fixture
def restored(project: Project, tmp_path: Path) -> Iterator[Project]:
    """The project, put back as it was after the test: what Git keeps by copy, the rest from DVC's cache."""
    names = ("params.yaml", "dvc.lock", "expectations/clean.yaml", "src/gptmill/evaluation/samples.py")
    before = {name: (project.root / name).read_bytes() for name in names}
    shutil.copytree(project.root / "reports", tmp_path / "reports")
    yield project
    for name, content in before.items():
        (project.root / name).write_bytes(content)
    shutil.rmtree(project.root / "reports")
    shutil.copytree(tmp_path / "reports", project.root / "reports")
    done = project.run("dvc", "checkout", "-q")
    assert json.loads(project.run("dvc", "status", "--json", "dvc.yaml").stdout) == {}, done.stdout


def test_every_stage_and_gate_is_recorded(project: Project) -> None:
    listed = json.loads(project.run("dvc", "status", "--json", "dvc.yaml").stdout)
    assert listed == {}
    lock = (project.root / "dvc.lock").read_text()
    assert {name for name in STAGES | GATES if f"\n  {name}:" in lock} == STAGES | GATES
    assert str(project.root) not in lock


def test_the_model_has_learned(project: Project) -> None:
    metrics = json.loads((project.root / "reports/evaluate/metrics.json").read_text())
    assert metrics["bits_per_byte"] < metrics["unigram_bits_per_byte"]
    assert metrics["tasks"]["provenance"]["score"] > metrics["tasks"]["provenance"]["baseline"]
    shown = project.run("dvc", "metrics", "show").stdout
    assert "bits_per_byte" in shown
    plots = project.run("dvc", "plots", "show")
    assert plots.returncode == 0, plots.stdout
    page = (project.root / "dvc_plots/index.html").read_text()
    assert "val_loss" in page
    assert "bits_per_byte.csv" in page


def test_again_does_nothing_and_says_so(project: Project) -> None:
    done = project.run("dvc", "repro")
    assert done.returncode == 0
    assert "Data and pipelines are up to date." in done.stdout
    assert "Running stage" not in done.stdout


def test_the_registered_model_continues_prompts(project: Project) -> None:
    prompt = "The graph is"
    cli = project.run("gptmill", "generate", prompt, "--max-new-tokens", "8", "--seed", "3")
    assert cli.returncode == 0, cli.stdout
    assert prompt in cli.stdout
    code = (
        "import mlflow, sys\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/gptmill@champion')\n"
        "print(model.predict(['The graph is', 'Return'], params={'max_new_tokens': 8, 'seed': 3}))\n"
    )
    uri = f"sqlite:///{project.root}/mlflow.db"
    served = project.run("python", "-c", code, uri, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false")
    assert served.returncode == 0, served.stdout
    assert prompt in served.stdout


def test_the_run_is_on_one_page(project: Project) -> None:
    metrics = json.loads((project.root / "reports/evaluate/metrics.json").read_text())
    done = project.run("gptmill", "report")
    assert done.returncode == 0, done.stdout
    out, ours = (project.root / f"reports/{name}.html" for name in ("index", "run"))
    for page in (out, ours):
        assert f"{metrics['bits_per_byte']:.3f} bits per byte" in page.read_text()
    commit = project.run("git", "rev-parse", "HEAD").stdout.strip()
    assert commit in ours.read_text()
    assert commit not in out.read_text()
    assert "is the champion" in ours.read_text()
    assert "tokens per second" in ours.read_text()
    assert "run.html" not in project.run("git", "status", "--short").stdout


def test_edited_evaluation_code_does_not_train(restored: Project) -> None:
    restored.edit("src/gptmill/evaluation/samples.py", lambda text: text + "\n# edited\n")
    assert restored.repro() == ["code", "evaluate"]


def test_changed_threshold_that_passes_reruns_one_gate(restored: Project) -> None:
    restored.edit("expectations/clean.yaml", lambda text: text + "\n# edited\n")
    assert restored.repro() == ["gate@clean"]


def test_failed_gate_stops_the_flow(restored: Project) -> None:
    rule = "\n  - expect_table_row_count_to_be_between: {min_value: 10000000}\n"
    restored.edit("expectations/clean.yaml", lambda text: text.rstrip() + rule)
    lock = (restored.root / "dvc.lock").read_text()
    done = restored.run("dvc", "repro")
    assert done.returncode != 0
    assert "gate@clean failed: 1 of" in done.stdout
    assert "10000000" in done.stdout
    assert "Data Docs: .gptmill/data_docs/clean/index.html" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Running stage 'dedupe'" not in done.stdout
    assert (restored.root / "dvc.lock").read_text() == lock


def test_mistake_in_params_stops_before_any_work(restored: Project) -> None:
    restored.edit("params.yaml", lambda text: text.replace("top_k:", "top_kk:"))
    done = restored.run("dvc", "repro")
    assert done.returncode != 0
    assert 'evaluate.top_kk: unknown key; did you mean "top_k"?' in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.count("Running stage") == 1


def test_bad_source_leaves_nothing_behind(restored: Project, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.jsonl").write_text('{"text": "fine"}\n{"text": broken}\n')
    source = {"name": "bad", "kind": "files", "path": str(tmp_path / "texts"), "licence": "CC0-1.0"}
    restored.set_params({"collect.sources": [source]})
    lock = (restored.root / "dvc.lock").read_text()
    done = restored.run("dvc", "repro")
    assert done.returncode != 0
    assert "a.jsonl" in done.stdout
    assert "line 2" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (restored.root / "data/collect").exists()
    assert not list((restored.root / "data").glob(".*partial"))
    assert "collect:" in lock


def test_stopped_training_is_not_recorded(restored: Project) -> None:
    restored.set_params({"pretrain.max_steps": 100_000, "pretrain.checkpoint_every": 10})
    shutil.rmtree(restored.root / ".gptmill/resume", ignore_errors=True)
    process = subprocess.Popen(
        ["dvc", "repro", "pretrain"],
        cwd=restored.root,
        env=restored.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list((restored.root / ".gptmill/resume").rglob("*.ckpt")):
        assert time.monotonic() < deadline, "training wrote no checkpoint"
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    pids = subprocess.run(
        ["pgrep", "-f", "python -m pipeline.pretrain"], capture_output=True, text=True
    ).stdout.split()
    ours = [int(pid) for pid in pids if Path(f"/proc/{pid}/cwd").resolve() == restored.root.resolve()]
    for pid in ours:
        os.kill(pid, signal.SIGTERM)
    text = process.communicate(timeout=120)[0]
    assert process.returncode != 0, text
    assert "failed to reproduce 'pretrain'" in text
    assert "max_steps: 100000" not in (restored.root / "dvc.lock").read_text()
    assert not (restored.root / "models/pretrain").exists()


def test_two_sources_are_in_the_model_card(project: Project) -> None:
    card = (project.root / "models/package/README.md").read_text()
    assert all(source in card for source in SOURCES)


def test_the_commands_of_the_readme(restored: Project) -> None:
    readme = (restored.root / "README.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert 'gptmill generate "The array is"' in commands
    seen = []
    for command in commands:
        done = restored.run(*shlex.split(command))
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        if command.startswith("dvc exp run -S evaluate."):
            ran = re.findall(r"Running stage '([^']+)'", done.stdout)
            assert ran == ["params", "evaluate", "gate@evaluate", "report", "register"]
            seen.append(command)
    assert seen, "no changed evaluation among the README's commands"
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = restored.run("python", "-c", code)
    assert done.returncode == 0, done.stdout
    assert "The array is" in done.stdout
