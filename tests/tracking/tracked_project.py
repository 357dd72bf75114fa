"""A small project to track: the flow's stages, which copy what `prepare` makes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.outs import write_json

DVC_YAML = """
stages:
  dedupe:
    cmd: mkdir -p data && cp -r prepared/dedupe data/dedupe
    deps: [prepared/dedupe]
    outs: [data/dedupe]
  tokenize:
    cmd: cp -r prepared/tokens data/tokens
    deps: [data/dedupe/documents.parquet, prepared/tokens]
    outs: [data/tokens]
  gate:
    foreach:
      tokenize: {}
    do:
      cmd: mkdir -p data/gates reports/gates && cp prepared/gate.json data/gates/${key}.json &&
        cp prepared/gate.json reports/gates/${key}.json
      deps: [data/tokens, prepared/gate.json]
      outs: ["data/gates/${key}.json"]
      metrics: ["reports/gates/${key}.json": {cache: false}]
  pretrain:
    cmd: mkdir -p models reports && cp -r prepared/model models/pretrain &&
      cp -r prepared/pretrain reports/pretrain
    deps: [data/tokens, data/gates/tokenize.json, prepared/model, prepared/pretrain]
    params: [pretrain]
    outs: [models/pretrain]
    metrics: [reports/pretrain/metrics.json: {cache: false}]
    plots: [reports/pretrain/losses.csv: {cache: false}]
  finetune:
    foreach:
      provenance: {kind: provenance}
    do:
      cmd: mkdir -p models/finetune/${key} reports/finetune/${key} &&
        cp prepared/model/config.json models/finetune/${key} &&
        cp prepared/finetune.json reports/finetune/${key}/metrics.json &&
        cp prepared/predictions.csv reports/finetune/${key}/predictions.csv
      deps: [models/pretrain, data/dedupe/documents.parquet, prepared/finetune.json, prepared/predictions.csv]
      params: [finetune.epochs, "finetune.tasks.${key}"]
      outs: ["models/finetune/${key}"]
      metrics: ["reports/finetune/${key}/metrics.json": {cache: false}]
      plots: ["reports/finetune/${key}/predictions.csv": {cache: false}]
  evaluate:
    cmd: mkdir -p reports/evaluate && cp prepared/evaluate/* reports/evaluate
    deps: [models/pretrain, models/finetune, data/tokens, prepared/evaluate]
    params: [evaluate]
    metrics: [reports/evaluate/metrics.json: {cache: false}]
    outs: [reports/evaluate/samples.json: {cache: false}]
  register:
    cmd: python -m pipeline.register
    deps: [models/pretrain, data/tokens/tokenizer.model, data/dedupe/documents.parquet,
      data/gates/tokenize.json, reports/evaluate/metrics.json, reports/evaluate/samples.json, reports/finetune]
    params: [register.name, register.confidence, register.resamples]
    outs: [models/package]
"""

PARAMS_YAML = """
pretrain: {max_steps: 20, model: {n_layer: 1}, optimizer: {learning_rate: 1.0e-3}}
finetune: {epochs: 2, tasks: {provenance: {kind: provenance, max_labels: 8}}}
evaluate: {prompts: ["The array is"], top_k: 40}
register: {name: gptmill, primary: bits_per_byte, min_gain: 0.0, margins: {tasks: 0.05}, confidence: 0.95,
  resamples: 200, smoke_prompt: null}
"""


def environment(uri: str = "http://127.0.0.1:9") -> dict[str, str]:
    """For child processes: our Python first, the tracking server at `uri` (by default one that is down)."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": uri, "DVC_NO_ANALYTICS": "1"}


def prepare(folder: Path) -> None:
    """What the stages copy: documents, a tokenizer, a tiny random model and reports."""
    from gptmill.models import build_model, save_model
    from gptmill.tokens.tokenizer import train_tokenizer

    for name in ("dedupe", "tokens", "model", "pretrain", "evaluate"):
        (folder / name).mkdir(parents=True)
    texts = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    write_documents(folder / "dedupe" / "documents.parquet", texts)
    tokenizer = train_tokenizer(texts, 300, "bpe", 0.9995)
    (folder / "tokens" / "tokenizer.model").write_bytes(tokenizer)
    torch.manual_seed(0)
    sizes = {"vocab_size": 300, "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
    save_model(build_model("gpt1", **sizes), folder / "model")
    write_json(folder / "gate.json", {"success": True, "expectations": {"evaluated": 3, "failed": 0}})
    write_json(folder / "pretrain" / "metrics.json", {"steps": 20, "parameters": 9000, "val_loss": 4.5})
    (folder / "pretrain" / "losses.csv").write_text(losses_csv())
    write_json(folder / "finetune.json", {"accuracy": 0.5, "majority_accuracy": 0.2, "labels": ["a", "b"]})
    (folder / "predictions.csv").write_text("label,predicted\n" + "a,a\nb,a\n" * 20)
    figures = {"bits_per_byte": 2.5, "perplexity": 30.0, "tasks": {"provenance": {"accuracy": 0.5}}}
    write_json(folder / "evaluate" / "metrics.json", figures)
    write_json(
        folder / "evaluate" / "samples.json", [{"prompt": "The array is", "text": "The array is done"}]
    )


def losses_csv() -> str:
    """20 steps; the validation loss was measured at two of them."""
    rows = [f"{step},{6 - step / 20},{4.5 if step % 10 == 0 else ''}" for step in range(1, 21)]
    return "\n".join(["step,train_loss,val_loss", *rows]) + "\n"


def write_documents(path: Path, texts: list[str]) -> None:
    """Documents of two sources; every tenth is in the test split."""
    rows = [
        {
            "id": document_id(text),
            "text": text,
            "source": "numpy" if i % 2 else "books",
            "uri": f"file:{i}",
            "licence": "BSD-3-Clause" if i % 2 else "CC0-1.0",
            "origin": "real",
            "lang": "en",
            "meta": [("group", "g")],
            "split": "test" if i % 10 == 0 else "train",
        }
        for i, text in enumerate(texts)
    ]
    schema = DOCUMENT.append(pa.field("split", pa.string()))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema).sort_by("id"), path)
