"""The stages of a project small enough to be retrained several times in a test: `python tiny.py <stage>`.

Real files in, real files out, in the places and forms of the real flow; only the model does not train: its
weights are random, times `pretrain.scale`, and the smaller that is, the better it predicts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gptmill.errors import UserError, run
from gptmill.outs import read_json, write_json
from gptmill.params import read_yaml


def dedupe() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gptmill.corpus.documents import DOCUMENT, document_id

    lines = Path("texts/lines.txt").read_text().splitlines()
    rows = [
        {
            "id": document_id(text),
            "text": text,
            "source": "lines",
            "uri": f"file:lines.txt#{i}",
            "licence": "CC0-1.0",
            "origin": "real",
            "lang": "en",
            "meta": [],
            "split": "test" if int(document_id(text)[:2], 16) < 50 else "train",
        }
        for i, text in enumerate(lines)
    ]
    Path("data/dedupe").mkdir(parents=True, exist_ok=True)
    schema = DOCUMENT.append(pa.field("split", pa.string()))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema).sort_by("id"), "data/dedupe/documents.parquet")


def gate() -> None:
    import pyarrow.parquet as pq

    least = read_yaml("expectations/dedupe.yaml")["documents"]
    found = pq.read_metadata("data/dedupe/documents.parquet").num_rows
    failed = int(found < least)
    report = {"success": not failed, "expectations": {"evaluated": 1, "failed": failed}}
    write_json("reports/gates/dedupe.json", report)
    if failed:
        raise UserError(
            f"gate@dedupe failed: 1 of 1 expectations is not met\n  {found} documents, at least {least}"
        )
    write_json("data/gates/dedupe.json", {"stage": "dedupe"})


def tokenize() -> None:
    import pyarrow.parquet as pq

    from gptmill.tokens.tokenizer import train_tokenizer

    texts = pq.read_table("data/dedupe/documents.parquet")["text"].to_pylist()
    Path("data/tokens").mkdir(parents=True, exist_ok=True)
    Path("data/tokens/tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))


def pretrain() -> None:
    import torch

    from gptmill.models import build_model, save_model

    scale = read_yaml("params.yaml")["pretrain"]["scale"]
    torch.manual_seed(0)
    model = build_model("gpt1", vocab_size=300, block_size=16, n_layer=1, n_head=2, n_embd=16)
    for weight in model.parameters():
        weight.data *= scale
    Path("models/pretrain").mkdir(parents=True, exist_ok=True)
    save_model(model, "models/pretrain")
    write_json("reports/pretrain/metrics.json", {"scale": scale})
    Path("reports/pretrain/train.csv").write_text(f"step,train_loss\n1,{6 * scale}\n2,{5 * scale}\n")


def evaluate() -> None:
    size = Path("models/pretrain/model.safetensors").stat().st_size
    scale = read_json("reports/pretrain/metrics.json")["scale"]
    write_json("reports/evaluate/metrics.json", {"bits_per_byte": 2.5 + scale, "size": size})
    write_json("reports/evaluate/samples.json", [{"prompt": "A", "text": "A line"}])


if __name__ == "__main__":
    run({f.__name__: f for f in (dedupe, gate, tokenize, pretrain, evaluate)}[sys.argv[1]])
