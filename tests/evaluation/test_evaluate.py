"""Evaluation: the same bytes for all, figures by hand, the same files each time."""

from __future__ import annotations

import lzma
import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gptmill.evaluation.evaluate import evaluate
from gptmill.evaluation.references import stream_text
from gptmill.models import build_model, save_model
from gptmill.outs import read_json, write_json
from gptmill.params.evaluate import Evaluate, Memorisation
from gptmill.params.tokenize import Tokenize
from gptmill.tasks.examples import Dataset, Example, write_dataset
from gptmill.tokens.shards import TokenStream
from gptmill.tokens.tokenize import tokenize
from gptmill.tokens.tokenizer import Tokenizer

PARAMS = Evaluate(
    batch_size=4,
    stride=None,
    length_bins=[64, 70, 10_000],
    zero_shot_examples=5,
    memorisation=Memorisation(prompts=20, tokens=6),
    prompts=["The array", "Naïve ▁ "],
    sample_tokens=9,
    temperature=1.0,
    top_k=0,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluate")
    texts = [
        f"The array number {i} is naïve, ▁ and {i * i} is its square.\n\n  Indented.\n" for i in range(120)
    ]
    splits = ["train"] * 100 + ["validation"] * 10 + ["test"] * 10
    rows = [
        {"id": f"{i:03d}", "text": text, "split": split, "source": "ab"[i % 2]}
        for i, (text, split) in enumerate(zip(texts, splits, strict=True))
    ]
    for name in ("documents", "tokens", "model", "tasks/t"):
        (root / name).mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "documents/documents.parquet")
    params = Tokenize(
        model_type="bpe", vocab_size=320, character_coverage=0.9995, train_chars=10**6, shard_tokens=1024
    )
    tokenize(params, root / "documents", root / "tokens")
    torch.manual_seed(0)
    save_model(
        build_model("gpt1", vocab_size=320, block_size=16, n_layer=1, n_head=2, n_embd=16), root / "model"
    )
    for name in ("t", "number"):
        (root / "examples" / name).mkdir(parents=True)
    example = Example("e", ("The array is naïve.",), "yes")
    pair = [example, replace(example, id="f", label="no")]
    labelled = dict.fromkeys(("train", "dev", "test"), pair)
    write_dataset(Dataset("classification", ["no", "yes"], labelled), root / "examples/t")
    numbers = {split: [replace(example, label="1.5")] for split in labelled}
    write_dataset(Dataset("regression", [], numbers), root / "examples/number")
    write_json(root / "tasks/t/metrics.json", {"accuracy": 0.5, "majority_accuracy": 0.25, "labels": ["a"]})
    return root


def run(project: Path, out: Path) -> None:
    out.mkdir()
    paths = {
        "documents": project / "documents",
        "tokens": project / "tokens",
        "examples": {name: project / "examples" / name for name in ("t", "number")},
        "model": project / "model",
        "tasks": {"t": project / "tasks/t/metrics.json"},
    }
    evaluate(PARAMS, 3, reports_out=out, **paths)


def test_tokens_hold_every_document(project: Path) -> None:
    index = pq.read_table(project / "tokens/documents.parquet").to_pylist()
    rows = {row["id"]: row for row in pq.read_table(project / "documents/documents.parquet").to_pylist()}
    tokenizer = Tokenizer.load(project / "tokens/tokenizer.model")
    assert sorted(row["id"] for row in index) == sorted(rows)
    meta = read_json(project / "tokens/meta.json")
    assert meta["splits"]["train"]["shards"] > 1
    for row in index:
        shard = (project / f"tokens/{row['split']}-{row['shard']:05d}.bin").read_bytes()
        ids = memoryview(shard).cast("H")[row["start"] : row["start"] + row["tokens"]].tolist()
        assert ids[-1] == tokenizer.eos_id
        assert tokenizer.decode(ids) == rows[row["id"]]["text"]
        assert (row["bytes"], row["split"]) == (
            len(rows[row["id"]]["text"].encode()),
            rows[row["id"]]["split"],
        )


def test_figures_are_over_the_test_texts_bytes(project: Path, tmp_path: Path) -> None:
    run(project, tmp_path / "a")
    rows = pq.read_table(project / "documents/documents.parquet").to_pylist()
    text = "".join(row["text"] for row in rows if row["split"] == "test").encode()
    metrics = read_json(tmp_path / "a/metrics.json")
    assert metrics["test_bytes"] == len(text)
    assert metrics["xz_bits_per_byte"] == 8 * len(lzma.compress(text, preset=9)) / len(text)
    nats = math.log(metrics["perplexity"]) * metrics["test_tokens"]
    assert metrics["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(text))
    assert metrics["bits_per_byte"] > metrics["unigram_bits_per_byte"]  # the model is untrained
    assert metrics["tasks"] == {"t": {"accuracy": 0.5, "majority_accuracy": 0.25}}
    assert metrics["memorised"].keys() == {"train", "test"}
    assert metrics["zero_shot"].keys() == {"t"}, "regression has no options"
    details = read_json(tmp_path / "a/details.json")
    assert details["sliding"]["stride"] == 12
    for parts in ("sources", "lengths"):
        rows = details["sliding"][parts].values()
        assert sum(row["bytes"] for row in rows) == len(text)
        bits = sum(row["bits_per_byte"] * row["bytes"] for row in rows)
        assert bits / len(text) == pytest.approx(metrics["sliding_bits_per_byte"])
    assert list(details["sliding"]["sources"]) == ["a", "b"]

    run(project, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_samples_continue_their_prompts(project: Path, tmp_path: Path) -> None:
    run(project, tmp_path / "a")
    samples = read_json(tmp_path / "a/samples.json")
    assert [sample["prompt"] for sample in samples] == PARAMS.prompts
    assert all(sample["text"].startswith(sample["prompt"]) for sample in samples)
    assert any(len(sample["text"]) > len(sample["prompt"]) for sample in samples)


def test_stream_that_lost_bytes_is_not_compared(project: Path) -> None:
    stream = TokenStream(project / "tokens", "test")
    stream.bytes += 1
    with pytest.raises(ValueError, match="decodes to"):
        stream_text(stream, Tokenizer.load(project / "tokens/tokenizer.model"))
