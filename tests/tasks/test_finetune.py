"""Fine-tuning learns a task from the pretrained weights and writes what the gate and the reports read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gptmill.models import build_model, save_model
from gptmill.outs import read_json
from gptmill.params.finetune import Finetune
from gptmill.tasks.finetune import finetune
from gptmill.tokens.tokenizer import train_tokenizer

WORDS = {"animals": "cat dog horse sheep goat cow", "colours": "red green blue black white pink"}
PARAMS = {
    "tasks": {
        "which": {"kind": "provenance", "max_labels": 2, "max_train": 200, "max_eval": 40, "max_tokens": 16}
    },
    "epochs": 6,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "warmup_fraction": 0.1,
    "weight_decay": 0.01,
    "grad_clip": 1.0,
    "classifier_dropout": 0.1,
    "lm_weight": 0.5,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    rows = []
    for i in range(300):
        group = sorted(WORDS)[i % 2]
        words = WORDS[group].split()
        text = " ".join(words[(i * (k + 1)) % 6] for k in range(4))
        split = "train" if i < 200 else "validation" if i < 250 else "test"
        rows.append({"id": f"{i:04d}", "text": text, "split": split, "meta": [("group", group)]})
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("split", pa.string()),
            ("meta", pa.map_(pa.string(), pa.string())),
        ]
    )
    for name in ("documents", "tokens", "pretrained"):
        (root / name).mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema), root / "documents/documents.parquet")
    model = train_tokenizer([row["text"] for row in rows], 300, "bpe", 0.9995)
    (root / "tokens/tokenizer.model").write_bytes(model)
    torch.manual_seed(0)
    save_model(
        build_model("gpt1", vocab_size=300, block_size=16, n_layer=1, n_head=2, n_embd=16),
        root / "pretrained",
    )
    return root


def run(project: Path, out: Path) -> list[tuple[int, float]]:
    seen: list[tuple[int, float]] = []
    for name in ("model", "reports"):
        (out / name).mkdir()
    finetune(
        "which",
        Finetune.model_validate(PARAMS),
        5,
        documents=project / "documents",
        tokens=project / "tokens",
        pretrained=project / "pretrained",
        model_out=out / "model",
        reports_out=out / "reports",
        resume=out / "resume",
        observe=lambda metrics, step: seen.append((step, metrics["train_loss"])),
    )
    return seen


def test_learns_writes_and_repeats(project: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    seen = run(project, tmp_path / "a")
    metrics = read_json(tmp_path / "a/reports/metrics.json")
    assert metrics["accuracy"] > 0.9 > metrics["majority_accuracy"]
    assert metrics["labels"] == ["animals", "colours"]
    assert (metrics["train"], metrics["dev"], metrics["test"]) == (200, 40, 40)
    assert metrics["steps"] == 6 * 13
    assert seen[-1][1] < seen[0][1]

    predictions = pq.read_table(tmp_path / "a/model/predictions.parquet").to_pylist()
    test = [row for row in predictions if row["split"] == "test"]
    assert sum(row["label"] == row["predicted"] for row in test) / len(test) == metrics["accuracy"]
    assert len((tmp_path / "a/reports/predictions.csv").read_text().splitlines()) == 41

    run(project, tmp_path / "b")
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), (
            path.name
        )
