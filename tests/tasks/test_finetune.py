"""Fine-tuning learns a task from the pretrained weights, writes what the gate and the reports read, resumes."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from gptmill.models import build_model, save_model
from gptmill.outs import read_json
from gptmill.params.finetune import Finetune
from gptmill.tasks.examples import Dataset, Example, write_dataset
from gptmill.tasks.finetune import finetune, summary
from gptmill.tasks.training import epoch_batches
from gptmill.tokens.tokenizer import train_tokenizer

WORDS = {"animals": "cat dog horse sheep goat cow", "colours": "red green blue black white pink"}
PLACE = {"folder": "x", "files": {"train": "a.tsv", "test": "b.tsv"}}
TASKS = {
    "which": {"kind": "classification", "labels": sorted(WORDS), **PLACE},
    "pair": {"kind": "similarity", "labels": ["no", "yes"], "primary": "f1", "positive": "yes", **PLACE},
    "odd": {"kind": "multiple_choice", "labels": list("AB"), "answers": "a", "learning_rate": 5e-3, **PLACE},
    "share": {"kind": "regression", **PLACE},
}
RECIPE = {"epochs": 6, "batch_size": 16, "learning_rate": 3e-3, "warmup_fraction": 0.1}


def words(group: str, i: int) -> str:
    return " ".join(WORDS[group].split()[(i * (k + 1)) % 6] for k in range(4))


def example(task: str, i: int) -> Example:
    group, other = sorted(WORDS)[i % 2], sorted(WORDS)[1 - i % 2]
    match task:
        case "which":
            return Example(f"{i:04d}", (words(group, i),), group)
        case "pair":
            same = i % 3 == 0
            second = words(group if same else other, i + 1)
            return Example(f"{i:04d}", (words(group, i), second), "yes" if same else "no")
        case "odd":  # which answer is an animal?
            answers = [words(group, i), words(other, i)]
            return Example(f"{i:04d}", ("which", "animal", *answers), "AB"[i % 2])
        case _:  # how many of four words are animals
            text = words("animals", i).split()[: i % 5] + words("colours", i).split()[i % 5 :]
            return Example(f"{i:04d}", (" ".join(text),), repr(float(i % 5)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for task, given in TASKS.items():
        (root / task).mkdir()
        made = [example(task, i) for i in range(320)]
        splits = {"train": made[:200], "dev": made[200:250], "test": made[250:]}
        seen = ["0250"] if task == "which" else []
        write_dataset(
            Dataset(given["kind"], given.get("labels", []), splits, {"n": len(seen)}, seen), root / task
        )
    (root / "tokens").mkdir()
    texts = [" ".join(WORDS.values()), "which animal"] * 40
    (root / "tokens/tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    for preset in ("gpt1", "modern", "bert"):
        torch.manual_seed(0)
        (root / preset).mkdir()
        sizes = {"vocab_size": 300, "block_size": 32, "n_layer": 1, "n_head": 2, "n_embd": 32, "dropout": 0.1}
        save_model(build_model(preset, **sizes), root / preset)
    return root


def run(project: Path, out: Path, task: str, preset: str = "gpt1", own: dict | None = None, **recipe) -> dict:
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    finetune(
        task,
        Finetune.model_validate({"tasks": {task: TASKS[task] | (own or {})}, **RECIPE, **recipe}),
        5,
        examples=project / task,
        tokens=project / "tokens",
        pretrained=project / preset,
        model_out=out / "model",
        reports_out=out / "reports",
        resume=out / "resume",
        observe=lambda _metrics, _step: None,
    )
    return read_json(out / "reports/metrics.json")


def test_a_task_may_have_its_own_recipe(project: Path, tmp_path: Path) -> None:
    assert run(project, tmp_path, "which", own={"epochs": 2, "batch_size": 50})["steps"] == 2 * 4


def same_files(a: Path, b: Path) -> None:
    names = sorted(
        path.relative_to(a) for path in a.rglob("*.*") if path.is_file() and "resume" not in path.parts
    )
    assert len(names) == 8
    for name in names:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_chance_is_warned_of() -> None:
    metrics = {"primary": "accuracy", "score": 0.6, "score_low": 0.51, "score_high": 0.7, "baseline": 0.5}
    line = "t: accuracy 0.600 on 1,000 test examples, 95 % from 0.510 to 0.700; baseline 0.500"
    assert summary("t", metrics | {"test": 1000}) == line
    assert "\ngptmill: warning: t: that may be chance" in summary(
        "t", metrics | {"test": 9, "score_low": 0.5}
    )


def test_learns_writes_and_repeats(project: Path, tmp_path: Path) -> None:
    metrics = run(project, tmp_path / "a", "which")
    assert metrics["score"] == metrics["accuracy"] > 0.9 > metrics["baseline"] == metrics["majority_accuracy"]
    assert metrics["score_low"] <= metrics["score"] <= metrics["score_high"]
    assert metrics["labels"] == ["animals", "colours"]
    assert (metrics["train"], metrics["dev"], metrics["test"]) == (200, 50, 70)
    assert metrics["steps"] == 6 * 13
    assert metrics["n"] == 1  # notes of the examples come along
    assert "score_unseen" in metrics

    predictions = pq.read_table(tmp_path / "a/model/predictions.parquet").to_pylist()
    test = [row for row in predictions if row["split"] == "test"]
    assert sum(row["label"] == row["predicted"] for row in test) / len(test) == metrics["accuracy"]
    assert all(0.5 <= row["probability"] <= 1 for row in test)
    reports = tmp_path / "a/reports"
    assert len((reports / "predictions.csv").read_text().splitlines()) == 71
    with (reports / "calibration.csv").open() as file:
        bins = list(csv.DictReader(file))
    assert sum(int(row["examples"]) for row in bins) == 70
    wrong = [row["id"] for row in test if row["label"] != row["predicted"]]
    assert {row["id"] for row in read_json(tmp_path / "a/model/worst.json")} == set(wrong)

    run(project, tmp_path / "b", "which")
    same_files(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("task", "preset"),
    [("pair", "gpt1"), ("odd", "modern"), ("share", "gpt1"), ("which", "bert"), ("odd", "bert")],
)
def test_every_form_learns(project: Path, tmp_path: Path, task: str, preset: str) -> None:
    metrics = run(project, tmp_path, task, preset, epochs=10)
    assert metrics["score"] > metrics["baseline"] + 0.2, metrics
    assert metrics["primary"] == {"pair": "f1", "share": "pearson"}.get(task, "accuracy")
    if task == "share":
        assert metrics["spearman"] > 0.5
        assert "majority_accuracy" not in metrics


def test_several_seeds(project: Path, tmp_path: Path) -> None:
    metrics = run(project, tmp_path, "which", epochs=1, seeds=3)
    assert len(metrics["seed_scores"]) == metrics["seeds"] == 3
    assert metrics["seed_scores"][0] == metrics["score"]
    assert metrics["score_mean"] == pytest.approx(np.mean(metrics["seed_scores"]))
    assert metrics["score_std"] == pytest.approx(np.std(metrics["seed_scores"], ddof=1))


KILLED = """
import os, signal, sys
from pathlib import Path
from test_finetune import RECIPE, TASKS, Finetune, finetune
project, out = map(Path, sys.argv[1:])
def observe(metrics, step):
    if step >= 130:
        os.kill(os.getpid(), signal.SIGKILL)
finetune("pair", Finetune.model_validate({"tasks": {"pair": TASKS["pair"]}, **RECIPE, "batch_size": 4,
    "epochs": 3}), 5, examples=project / "pair", tokens=project / "tokens", pretrained=project / "gpt1",
    model_out=out / "model", reports_out=out / "reports", resume=out / "resume", observe=observe)
"""


def test_killed_and_resumed_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, project, tmp_path / "killed"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list((tmp_path / "killed/resume").glob("*/5/*.ckpt"))
    recipe = {"batch_size": 4, "epochs": 3}
    resumed = run(project, tmp_path / "killed", "pair", **recipe)
    whole = run(project, tmp_path / "whole", "pair", **recipe)
    assert json.dumps(resumed) == json.dumps(whole)
    same_files(tmp_path / "whole", tmp_path / "killed")


def test_an_epoch_has_every_example_once_and_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    for epoch in (0, 1):
        batches = epoch_batches(lengths, 32, 5, epoch)
        assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
        assert len(batches) == 32
    padded = sum(int(lengths[b].max()) * len(b) for b in batches)
    assert padded < 1.15 * lengths.sum()
    again = epoch_batches(lengths, 32, 5, 1)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))
    first = epoch_batches(lengths, 32, 5, 0)[0]
    assert not np.array_equal(first, batches[0])
