"""Pack what was trained: weights, tokenizer, sizes, the facts on them and a model card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gptmill.bidirectional import require_left_to_right
from gptmill.errors import UserError
from gptmill.fingerprint import Inputs
from gptmill.outs import read_json, write_json
from gptmill.tracking.card import model_card
from gptmill.tracking.content import flatten
from gptmill.tracking.scores import intervals, write_scores

FACTS = "facts.json"


def build_package(inputs: Inputs, root: Path, out: Path) -> None:
    """Write the package into `out`: everything in it depends only on the stage's inputs.

    Beside weights, tokenizer, sizes, facts and card it holds what the model scored on each test document
    and each task's predictions, for the comparison with other versions.

    Raises:
        UserError: when something that it is made from is missing, or the model can't continue text (bert).
    """
    require_left_to_right(root / "models/pretrain", "be registered, for what is registered continues text")
    sources = {
        "model.safetensors": root / "models/pretrain/model.safetensors",
        "config.json": root / "models/pretrain/config.json",
        "tokenizer.model": root / "data/tokens/tokenizer.model",
    }
    for name, source in sources.items():
        if not source.is_file():
            raise UserError(f"{source} does not exist; run `dvc repro`")
        shutil.copyfile(source, out / name)
    write_scores(root, out)
    facts = gather_facts(inputs, root) | {"scores": _intervals(inputs, out)}
    write_json(out / FACTS, facts)
    samples = root / "reports/evaluate/samples.json"
    card = model_card(facts, read_json(samples) if samples.is_file() else [])
    (out / "README.md").write_text(card, encoding="utf-8")


def gather_facts(inputs: Inputs, root: Path) -> dict[str, Any]:
    """What the card says and the registry compares."""
    documents = root / "data/dedupe/documents.parquet"
    return {
        "fingerprint": inputs.fingerprint,
        "model": read_json(root / "models/pretrain/config.json"),
        "metrics": read_json(root / "reports/evaluate/metrics.json"),
        "evaluation": read_json(details)
        if (details := root / "reports/evaluate/details.json").is_file()
        else {},
        "test_data": test_digest(documents),
        "tokenizer": hashlib.md5(
            (root / "data/tokens/tokenizer.model").read_bytes(), usedforsecurity=False
        ).hexdigest(),
        "sources": training_sources(documents),
        "gates": sorted(
            Path(path).stem
            for path in inputs.deps
            if path.startswith("data/gates/") and path.endswith(".json")
        ),
        "made_from": {
            path: md5
            for path, md5 in inputs.deps.items()
            if path.startswith(("data/", "models/", "reports/"))
        },
    }


def _intervals(inputs: Inputs, package: Path) -> dict[str, dict[str, float]]:
    """Score → estimate, low and high."""
    params = flatten(inputs.params)
    found = intervals(package, params["register.confidence"], params["register.resamples"])
    return {name: asdict(interval) for name, interval in found.items()}


def test_digest(documents: Path) -> str:
    """A hash of the ids and texts of the test split: figures on equal test data can be compared."""
    digest = hashlib.blake2b(digest_size=16)
    for row in _rows(documents, ["id", "text", "split"]):  # sorted by id, as every out is
        if row["split"] == "test":
            digest.update(f"{row['id']}\0{row['text']}\0".encode())
    return digest.hexdigest()


def training_sources(documents: Path) -> list[dict[str, Any]]:
    """Documents and UTF-8 bytes of the train split by source, licence and origin."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in _rows(documents, ["source", "licence", "origin", "text", "split"]):
        if row["split"] == "train":
            group = groups.setdefault((row["source"], row["licence"], row["origin"]), [0, 0])
            group[0] += 1
            group[1] += len(row["text"].encode("utf-8"))
    return [
        {"source": source, "licence": licence, "origin": origin, "documents": count, "bytes": size}
        for (source, licence, origin), (count, size) in sorted(groups.items())
    ]


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a batch in memory at a time."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"{path} does not exist; run `dvc repro`")
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024, columns=columns):
            yield from batch.to_pylist()
