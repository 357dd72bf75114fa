"""A small project with valid outs of every stage, made once and copied for each test."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planting import REPOSITORY, Project, Rows

from gptmill.corpus.clean import CLEANED
from gptmill.corpus.clean import DROPPED as CLEAN_DROPPED
from gptmill.corpus.dedupe import DOCUMENTS
from gptmill.corpus.dedupe import DROPPED as DEDUPE_DROPPED
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.outcomes import DROPPED as COLLECT_DROPPED
from gptmill.corpus.outcomes import REPEAT
from gptmill.corpus.signals import PII_KINDS, SIGNALS
from gptmill.outs import write_json
from gptmill.params import load
from gptmill.params.finetune import Finetune
from gptmill.tokens.shards import SPLITS, write_shards
from gptmill.tokens.tokenize import INDEX
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

N = 60


@pytest.fixture(scope="session")
def valid_outs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("valid")
    shutil.copytree(REPOSITORY / "expectations", root / "expectations")
    params = (REPOSITORY / "params.yaml").read_text()
    params = params.replace("vocab_size: 2048", "vocab_size: 400")
    task = "  tasks:\n    provenance: {kind: provenance, max_labels: 8}\n"
    (root / "params.yaml").write_text(re.sub(r"  tasks:\n(?:    .*\n)+", task, params))
    documents = _documents()
    _collect(root, documents)
    kept = _clean(root, documents)
    kept = _dedupe(root, kept)
    _tokens(root, kept)
    _reports(root, kept)
    return root


@pytest.fixture
def project(valid_outs: Path, tmp_path: Path) -> Project:
    root = tmp_path / "project"
    shutil.copytree(valid_outs, root)
    return Project(root)


def _write(path: Path, rows: Rows, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def _documents() -> Rows:
    """Texts of made-up words (with letters of several scripts), from two sources."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 7))) for _ in range(300)]
    words += ["naïve", "Ωmega", "中文", "▁mark", "🙂"]
    rows = []
    for n in range(N):
        text = f"Text {n}: " + "\n".join(" ".join(chance.choices(words, k=9)) for _ in range(6))
        source = "papers" if n % 3 else "books"
        licence = (
            "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0" if n % 3 else "public domain in the USA"
        )
        rows.append({"id": document_id(text), "text": text, "source": source, "uri": f"file:{n}.txt"})
        rows[-1] |= {"licence": licence, "origin": "real", "lang": "en", "meta": [("group", source)]}
    return sorted(rows, key=lambda row: str(row["id"]))


def _collect(root: Path, documents: Rows) -> None:
    repeat = {key: documents[0][key] for key in ("id", "source", "licence", "meta")} | {
        "uri": "file:again.txt"
    }
    _write(root / "data/collect/documents.parquet", documents, DOCUMENT)
    _write(root / "data/collect/repeats.parquet", [repeat], REPEAT)
    left_out = repeat | {"id": "f" * 32, "uri": "file:more.txt", "reason": "sample"}
    _write(root / "data/collect/dropped.parquet", [left_out, left_out | {"id": "e" * 32}], COLLECT_DROPPED)
    sources = {}
    for name in ("books", "papers"):
        texts = [row["text"] for row in documents if row["source"] == name]
        repeats = int(repeat["source"] == name)
        sources[name] = {"kind": "files", "read": len(texts) + 3 * repeats, "documents": len(texts)}
        sources[name] |= {
            "repeats": repeats,
            "dropped": 2 * repeats,
            "bytes": sum(len(text.encode()) for text in texts),
        }
    write_json(root / "data/collect/sources.json", sources)


def _clean(root: Path, documents: Rows) -> Rows:
    rows = [row | dict.fromkeys(SIGNALS, 1) for row in documents]
    dropped = [row | {"reason": "n_words"} for row in rows[:3]]
    _write(root / "data/clean/documents.parquet", rows[3:], CLEANED)
    _write(root / "data/clean/dropped.parquet", dropped, CLEAN_DROPPED)
    write_json(root / "data/clean/pii.json", dict.fromkeys(PII_KINDS, len(rows) - 3))
    return rows[3:]


def _dedupe(root: Path, rows: Rows) -> Rows:
    """Every tenth document is validation, every tenth plus one test; the last two are near-duplicates."""
    sides = {0: "validation", 1: "test"}
    kept = [
        row | {"cluster": row["id"], "split": sides.get(n % 10, "train")} for n, row in enumerate(rows[:-2])
    ]
    dropped = [
        row
        | {
            "cluster": one["id"],
            "kept_id": one["id"],
            "reason": "near",
            "similarity": 0.9,
            "split": one["split"],
        }
        for row, one in zip(rows[-2:], kept, strict=False)
    ]
    _write(root / "data/dedupe/documents.parquet", kept, DOCUMENTS)
    _write(root / "data/dedupe/dropped.parquet", dropped, DEDUPE_DROPPED)
    return kept


def _tokens(root: Path, documents: Rows) -> None:
    folder = root / "data/tokens"
    folder.mkdir(parents=True)
    model = train_tokenizer([row["text"] for row in documents], 400, "bpe", 0.9995)
    (folder / "tokenizer.model").write_bytes(model)
    tokenizer = Tokenizer(model)
    splits, index = {}, []
    for split in SPLITS:
        encoded = [
            (
                row["id"],
                np.array([*tokenizer.encode(row["text"]), tokenizer.eos_id], "<u2").tobytes(),
                len(row["text"].encode()),
            )
            for row in documents
            if row["split"] == split
        ]
        rows = list(write_shards(encoded, folder, split, 2, 2048))
        index += rows
        splits[split] = {
            "documents": len(rows),
            "tokens": sum(row["tokens"] for row in rows),
            "bytes": sum(row["bytes"] for row in rows),
            "shards": 1 + max(row["shard"] for row in rows),
        }
    _write(folder / "documents.parquet", index, INDEX)
    meta = {"vocab_size": 400, "eos_id": tokenizer.eos_id, "dtype": "<u2", "splits": splits}
    write_json(folder / "meta.json", meta)


def _reports(root: Path, documents: Rows) -> None:
    model, reports = root / "models/pretrain", root / "reports/pretrain"
    evaluation = root / "reports/evaluate"
    for folder in (model, reports, evaluation):
        folder.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    losses = {"train_loss": 3.0, "val_loss": 3.1, "unigram_loss": 5.0}
    write_json(reports / "metrics.json", {"steps": 20, "tokens": 9000, "parameters": 10} | losses)
    (reports / "losses.csv").write_text("step,train_loss,val_loss\n10,4.0,\n20,3.0,3.1\n")

    test = [row for row in documents if row["split"] == "test"]
    predictions = [
        {"id": row["id"], "split": row["split"], "label": row["source"], "predicted": row["source"]}
        for row in documents
        if row["split"] != "train"
    ]
    # Its mistakes on other splits are not the test accuracy's.
    predictions = [row | {"predicted": "?"} if row["split"] != "test" else row for row in predictions]
    score = {"primary": "accuracy", "score": 1.0, "score_high": 1.0, "baseline": 0.6}
    tasks = sorted(load("finetune", Finetune, root / "params.yaml").tasks)
    for task in tasks:
        task_model, task_reports = root / f"models/finetune/{task}", root / f"reports/finetune/{task}"
        task_model.mkdir(parents=True)
        task_reports.mkdir(parents=True)
        (task_model / "model.safetensors").write_bytes(b"weights")
        pd.DataFrame(predictions).to_parquet(task_model / "predictions.parquet")
        write_json(task_reports / "metrics.json", score | {"labels": ["?"], "train": 40, "test": len(test)})

    bits = {"bits_per_byte": 1.8, "unigram_bits_per_byte": 2.9, "xz_bits_per_byte": 2.0, "perplexity": 30.0}
    bits |= {"sliding_bits_per_byte": 1.75, "memorised": {"train": 0.0, "test": 0.0}}
    write_json(evaluation / "metrics.json", bits | {"tasks": dict.fromkeys(tasks, score)})
    write_json(evaluation / "samples.json", [{"prompt": "The", "text": "The array is sorted."}])
