"""The ablation at toy size: five variants, a table, nothing computed twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gptmill.outs import write_json
from gptmill.params import read_yaml
from gptmill.params.finetune import Finetune
from gptmill.params.pretrain import Pretrain
from gptmill.tasks import ablation
from gptmill.tasks.examples import Dataset, Example, write_dataset
from gptmill.tokens.shards import SPLITS, write_shards
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

ROOT = Path(__file__).parents[2]
WORDS = ["cat dog horse sheep", "red green blue black"]
TASK = {"kind": "classification", "folder": "x", "files": {"train": "a", "test": "b"}, "labels": ["0", "1"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    text = "\n".join(WORDS * 20)
    model = train_tokenizer([text], 290, "bpe", 0.9995)
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model)
    tokenizer = Tokenizer(model)
    ids = np.array([*tokenizer.encode(text), tokenizer.eos_id], "<u2")
    splits = {}
    for split in SPLITS:
        rows = list(write_shards([("d", ids.tobytes(), len(text))], folder, split, 2, 4096))
        splits[split] = {"documents": 1, "tokens": len(ids), "bytes": len(text), "shards": 1}
        assert len(rows) == 1
    write_json(
        folder / "meta.json",
        {"vocab_size": 290, "eos_id": tokenizer.eos_id, "dtype": "<u2", "splits": splits},
    )
    made = [Example(str(i), (" ".join(np.roll(WORDS[i % 2].split(), i)),), str(i % 2)) for i in range(60)]
    (tmp_path / "tasks/t").mkdir(parents=True)
    data = Dataset("classification", ["0", "1"], {"train": made[:32], "dev": made[32:40], "test": made[40:]})
    write_dataset(data, tmp_path / "tasks/t")
    return tmp_path


def test_five_variants_and_nothing_twice(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = read_yaml(ROOT / "params.yaml")["pretrain"]
    sizes = {"preset": "gpt1", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 12}
    lengths = dict.fromkeys(("max_tokens", "max_epochs", "max_minutes", "batch_tokens", "micro_batch_size"))
    steps = {"max_steps": 2, "batch_size": 2, "eval_every": 2, "log_every": 1, "eval_tokens": 64}
    optimizer = raw["optimizer"] | {"warmup_steps": "auto"}
    pretraining = Pretrain.model_validate(
        raw | lengths | steps | {"model": sizes, "optimizer": {**optimizer, "name": "auto"}}
    )
    finetuning = Finetune.model_validate({"tasks": {"t": TASK}, "epochs": 1})
    told = []

    def ablate():
        return ablation.ablate(
            pretraining,
            finetuning,
            [3, 4],
            tokens=project / "tokens",
            examples=project / "tasks",
            work=project / "work",
            tell=lambda *what: told.append(what[:3]),
        )

    cells = ablate()
    assert list(cells) == ["full", "no pre-training", "no auxiliary LM", "LSTM", "modern"]
    assert len(told) == 5 * 2
    assert cells["full"]["t"].against_full is None
    assert all(len(each["t"].scores) == 2 for each in cells.values())
    assert len(list((project / "work").glob("*/model"))) == 3  # two variants share full's, one has none
    lines = list(ablation.table(cells, finetuning, project / "tasks"))
    assert len(lines) == 2 + 5 + 1
    assert lines[0] == "| variant | mean | t (accuracy) |"

    monkeypatch.setattr(ablation, "train", None)
    monkeypatch.setattr(ablation, "pretrain", None)
    assert ablate() == cells


def test_the_lstm_is_wider_as_in_the_paper() -> None:
    raw = read_yaml(ROOT / "params.yaml")["pretrain"]
    sizes = {"preset": "gpt2", "block_size": 512, "n_layer": 12, "n_head": 12, "n_embd": 768}
    rows = {row.name: row for row in ablation.variants(Pretrain.model_validate(raw | {"model": sizes}))}
    assert rows["LSTM"].model["n_embd"] == pytest.approx(2048, abs=6)
