"""The package of a trained model: weights, tokenizer, sizes, the facts on it and its model card."""

from __future__ import annotations

import hashlib
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError
from gptmill.fingerprint import Inputs
from gptmill.outs import read_json, write_json
from gptmill.tracking.card import model_card

if TYPE_CHECKING:
    from gptmill.models.gpt import GPT
    from gptmill.tokens.tokenizer import Tokenizer

FACTS = "facts.json"


@dataclass
class Package:
    """A packaged model that is ready to continue text."""

    model: GPT
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: str | Path) -> Package:
        """Read a package, or any folder with model.safetensors, config.json and tokenizer.model.

        Raises:
            UserError: when a file is missing.
        """
        from gptmill.models import load_model
        from gptmill.tokens.tokenizer import Tokenizer

        folder = Path(folder)
        if not (folder / "tokenizer.model").is_file():
            raise UserError(
                f"{folder} is no gptmill package: tokenizer.model is missing; run `dvc repro` to make one"
            )
        return cls(load_model(folder), Tokenizer.load(folder / "tokenizer.model"))

    def complete(
        self, prompt: str, max_new_tokens: int = 64, temperature: float = 0.8, top_k: int = 40, seed: int = 0
    ) -> str:
        """`prompt` with its continuation; the same arguments give the same text.

        Raises:
            UserError: for a setting out of range.
        """
        _check("max_new_tokens", max_new_tokens, max_new_tokens >= 0, "0 or more")
        _check(
            "temperature", temperature, 0 <= temperature < math.inf, "0 or more (0 takes the likeliest token)"
        )
        _check("top_k", top_k, top_k >= 0, "0 (every token) or more")
        _check("seed", seed, 0 <= seed < 2**63, "from 0 to 2^63 - 1")
        from gptmill.models.generate import generate

        eos = self.tokenizer.eos_id
        ids = self.tokenizer.encode(prompt) or [eos]
        new = generate(
            self.model,
            ids,
            max_new_tokens=int(max_new_tokens),
            temperature=float(temperature),
            top_k=int(top_k),
            seed=int(seed),
            stop_id=eos,
        )
        return prompt + self.tokenizer.decode(new)


def build_package(inputs: Inputs, root: Path, out: Path) -> None:
    """Write the package into `out`: everything in it depends only on the stage's inputs.

    Raises:
        UserError: when something that it is made from is missing.
    """
    sources = {
        "model.safetensors": root / "models/pretrain/model.safetensors",
        "config.json": root / "models/pretrain/config.json",
        "tokenizer.model": root / "data/tokens/tokenizer.model",
    }
    for name, source in sources.items():
        if not source.is_file():
            raise UserError(f"{source} does not exist; run `dvc repro`")
        shutil.copyfile(source, out / name)
    facts = gather_facts(inputs, root)
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


def test_digest(documents: Path) -> str:
    """A hash of the ids and texts of the test split: figures on equal test data can be compared."""
    digest = hashlib.blake2b(digest_size=16)
    rows = _read(documents, ["id", "text", "split"]).to_pylist()
    for row in sorted((row for row in rows if row["split"] == "test"), key=lambda row: row["id"]):
        digest.update(f"{row['id']}\0{row['text']}\0".encode())
    return digest.hexdigest()


def training_sources(documents: Path) -> list[dict[str, Any]]:
    """Documents and UTF-8 bytes of the train split by source, licence and origin."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in _read(documents, ["source", "licence", "origin", "text", "split"]).to_pylist():
        if row["split"] == "train":
            group = groups.setdefault((row["source"], row["licence"], row["origin"]), [0, 0])
            group[0] += 1
            group[1] += len(row["text"].encode("utf-8"))
    return [
        {"source": source, "licence": licence, "origin": origin, "documents": count, "bytes": size}
        for (source, licence, origin), (count, size) in sorted(groups.items())
    ]


def _read(path: Path, columns: list[str]) -> Any:
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"{path} does not exist; run `dvc repro`")
    return pq.read_table(path, columns=columns)


def _check(name: str, value: Any, ok: bool, allowed: str) -> None:
    if not ok:
        raise UserError(f"{name} = {value} is not possible; allowed: {allowed}")
