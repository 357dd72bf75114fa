"""Training learns, repeats to the bit, and refuses what can't be trained."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import PARAMS, UNHURRIED, steps, train

from gptmill.errors import UserError
from gptmill.models import build_model, load_model, save_model
from gptmill.models.language_model import LanguageModel
from gptmill.models.loss import StreamLoss, stream_loss
from gptmill.outs import read_json, write_json
from gptmill.params.pretrain import Pretrain
from gptmill.tokens.shards import TokenStream


def write_tokens(folder: Path, train: Any, validation: Any = None) -> None:
    folder.mkdir()
    for split, ids in (("train", train), ("validation", train if validation is None else validation)):
        ids.astype("<u2").tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    write_json(folder / "meta.json", {"vocab_size": 42, "eos_id": 1, "dtype": "<u2", "splits": splits})


def test_learns_more_than_frequencies(whole: Path) -> None:
    metrics = read_json(whole / "reports/metrics.json")
    assert metrics["val_loss"] < metrics["unigram_loss"] - 0.2
    assert metrics["tokens"] == 60 * 8 * 16
    assert steps(whole / "reports/validation.csv") == ["step", "25", "50", "60"]
    assert steps(whole / "reports/train.csv") == ["step", *map(str, range(7, 60, 7)), "60"]


def test_divergence_is_an_error_and_not_a_model(tokens: Path, tmp_path: Path) -> None:
    wild = {"optimizer": PARAMS["optimizer"] | {"learning_rate": 1e30, "grad_clip": 0.0}}
    with pytest.raises(
        UserError, match=r"the (training loss|gradient's norm) is (nan|inf) at step \d+.*learning_rate"
    ):
        train(tokens, tmp_path, **wild)
    assert not (tmp_path / "model/model.safetensors").exists()


def test_divergence_in_the_last_update_is_seen(tokens: Path, tmp_path: Path) -> None:
    wild = UNHURRIED | {"name": "adamw", "learning_rate": 1e38, "grad_clip": 0.0}
    with pytest.raises(UserError, match=r"the validation loss is (nan|inf) at step 1: training has diverged"):
        train(tokens, tmp_path, max_steps=1, model=PARAMS["model"] | {"preset": "gpt2"}, optimizer=wild)
    assert not (tmp_path / "model/model.safetensors").exists()


def test_validation_keeps_documents_apart_as_training_does(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    write_tokens(folder, np.arange(2000) % 7 * np.arange(2000) % 41 + 1)
    still = {"model": PARAMS["model"] | {"dropout": 0.0}, "max_steps": 20}
    metrics = train(folder, tmp_path, **still, document_mask=True, eval_tokens=None)
    model, stream = load_model(tmp_path / "model"), TokenStream(folder, "validation")
    assert model.config.document_mask
    apart = stream_loss(model, stream, 8).per_token
    assert metrics["val_loss"] == pytest.approx(apart, rel=1e-5)
    assert np.loadtxt(tmp_path / "reports/validation.csv", delimiter=",", skiprows=1, ndmin=2)[
        -1, 1
    ] == pytest.approx(apart, rel=1e-5)
    model.config = replace(model.config, document_mask=False)
    assert metrics["val_loss"] != pytest.approx(stream_loss(model, stream, 8).per_token, rel=1e-4)


def test_validation_holds_no_more_sequences_than_training(
    tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = set()

    def spy(model: LanguageModel, stream: TokenStream, batch_size: int, *rest: Any) -> StreamLoss:
        sizes.add(batch_size)
        return stream_loss(model, stream, batch_size, *rest)

    monkeypatch.setattr("gptmill.training.masking.stream_loss", spy)
    train(tokens, tmp_path, batch_size=30, micro_batch_size=4, max_steps=1, optimizer=UNHURRIED)
    assert sizes == {4}


def test_an_empty_validation_split(tmp_path: Path) -> None:
    write_tokens(tmp_path / "tokens", np.arange(2000) % 41 + 1, np.array([]))
    with pytest.raises(UserError, match=r"the validation split in .*tokens has no tokens"):
        train(tmp_path / "tokens", tmp_path)


def test_hosts_without_a_launcher(tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"num_nodes = 2, and no launcher .* torchrun or SLURM"):
        train(tokens, tmp_path, num_nodes=2)


def test_fsdp_spreads_weights_and_not_activations(tokens: Path, tmp_path: Path) -> None:
    huge = PARAMS["model"] | {"n_layer": 100, "n_embd": 32768}
    spread = {"strategy": "fsdp", "optimizer": PARAMS["optimizer"] | {"name": "adamw"}, "micro_batch_size": 1}
    held = []
    for devices in (1, 2):
        with pytest.raises(UserError, match=r"too large for these \d devices") as caught:
            train(tokens, tmp_path, model=huge, devices=devices, **spread)
        held.append([float(found) for found in re.findall(r"([\d.]+) GiB", str(caught.value))])
    assert held[1][0] == pytest.approx(held[0][0] / 2, rel=1e-3)
    assert held[1][1:] == held[0][1:]


def test_parts_of_a_batch_give_what_the_whole_gives(tokens: Path, tmp_path: Path) -> None:
    still = {"model": PARAMS["model"] | {"dropout": 0.0}, "max_steps": 10}
    train(tokens, tmp_path / "1", **still)
    train(tokens, tmp_path / "3", **still, micro_batch_size=3)  # parts of 3, 3 and 2
    one, three = (np.loadtxt(tmp_path / n / "reports/train.csv", delimiter=",", skiprows=1) for n in "13")
    np.testing.assert_allclose(one, three, rtol=1e-4)


def test_minutes_become_steps_once(tokens: Path, tmp_path: Path) -> None:
    timed = {"max_steps": None, "max_minutes": 0.005, "optimizer": UNHURRIED, "checkpoint_every": None}
    first = train(tokens, tmp_path, **timed)["steps"]
    kept = tmp_path / "resume/here.steps.json"
    assert read_json(kept)["steps"] == first
    write_json(kept, read_json(kept) | {"steps": 12})
    assert train(tokens, tmp_path, **timed)["steps"] == 12


def test_early_stop(tokens: Path, tmp_path: Path) -> None:
    tiny = PARAMS["optimizer"] | {"learning_rate": 1e-12, "matrix_learning_rate": 1e-12}
    tiny |= {"embedding_learning_rate": 1e-12}
    metrics = train(tokens, tmp_path, optimizer=tiny, eval_every=5, patience=2)
    assert metrics["steps"] < 60
    # The last steps are told also where no row was due, or none ever was.
    assert steps(tmp_path / "reports/train.csv")[-1] == str(metrics["steps"])
    metrics = train(tokens, tmp_path / "2", optimizer=tiny, eval_every=5, patience=1, log_every=1000)
    assert steps(tmp_path / "2/reports/train.csv") == ["step", str(metrics["steps"])]


def test_divergence_names_step_documents_and_checkpoint(tokens: Path, tmp_path: Path) -> None:
    import shutil

    import pyarrow as pa
    import pyarrow.parquet as pq

    copy = shutil.copytree(tokens, tmp_path / "tokens")
    rows = [
        {"id": f"doc{i}", "split": "train", "shard": 0, "start": i * 100, "tokens": 100} for i in range(60)
    ]
    pq.write_table(pa.Table.from_pylist(rows), copy / "documents.parquet")
    wild = PARAMS["optimizer"] | {"learning_rate": 1e30, "grad_clip": 0.0, "warmup_steps": 0}
    with pytest.raises(UserError) as caught:
        train(copy, tmp_path, optimizer=wild)
    text = str(caught.value)
    assert "There is no checkpoint yet." in text
    notes = next((tmp_path / "resume/here").glob("not-finite-*.json"))
    assert str(notes) in text
    assert 8 <= len(read_json(notes)["documents"]) <= 16


def test_a_cut_shard_is_named(tokens: Path, tmp_path: Path) -> None:
    import shutil

    from gptmill.tokens.shards import describe

    copy = shutil.copytree(tokens, tmp_path / "tokens")
    shard = copy / "train-00000.bin"
    meta = read_json(copy / "meta.json")
    write_json(copy / "meta.json", meta | {"files": {shard.name: describe(shard)}})
    content = shard.read_bytes()
    shard.write_bytes(content[:-2])
    with pytest.raises(UserError, match=r"train-00000.bin was truncated: 11998 bytes, .* 12000 \(BLAKE2b"):
        train(copy, tmp_path)
    shard.write_bytes(content[:100] + b"\0\0" + content[102:])
    with pytest.raises(UserError, match=r"train-00000.bin was changed: its BLAKE2b is"):
        train(copy, tmp_path)


def test_less_text_than_a_batch(tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"374 sequences of .* fewer than one batch of 400"):
        train(tokens, tmp_path, batch_size=400)
    with pytest.raises(UserError, match=r"Lower pretrain.batch_tokens or collect"):
        train(tokens, tmp_path, batch_size=None, batch_tokens=400 * 16)
    deep = PARAMS["model"] | {"depth": 1, "n_layer": None, "n_head": None, "n_embd": None}
    with pytest.raises(
        UserError, match=r"Lower the batch that pretrain.model.depth brings \(pretrain.batch_size"
    ):
        train(tokens, tmp_path, batch_size=None, model=deep)


def test_starts_from_another_model(tmp_path: Path) -> None:
    """With nothing learned the model still has the loss of the one it came from."""
    from gptmill.tokens.tokenizer import train_tokenizer

    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(train_tokenizer(["one two three four"] * 9, 275, "bpe", 1.0))
    for split in ("train", "validation"):
        np.arange(2000, dtype="<u2").__mod__(270).tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    write_json(folder / "meta.json", {"vocab_size": 275, "eos_id": 1, "dtype": "<u2", "splits": splits})

    model = build_model(vocab_size=275, **Pretrain.model_validate(PARAMS).model.arguments())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    (tmp_path / "first").mkdir()
    save_model(model, tmp_path / "first")
    nothing = UNHURRIED | {
        "matrix_learning_rate": 1e-12,
        "embedding_learning_rate": 1e-12,
        "learning_rate": 1e-12,
    }
    metrics = train(
        folder,
        tmp_path,
        init_from=str(tmp_path / "first"),
        max_steps=2,
        optimizer=nothing | {"weight_decay": 0},
    )
    expected = stream_loss(model.eval(), TokenStream(folder, "validation"), 8)
    assert metrics["val_loss"] == pytest.approx(expected.per_token, rel=1e-6)


def test_a_model_too_large_is_refused_with_what_would_fit(tokens: Path, tmp_path: Path) -> None:
    huge = PARAMS["model"] | {"n_layer": 100, "n_embd": 32768}
    with pytest.raises(UserError, match=r"too large for this device: .* need about .* GiB, and it has"):
        train(tokens, tmp_path, model=huge)


def test_the_speed_is_kept_beside_the_outs(whole: Path) -> None:
    rows = np.genfromtxt(whole / "speed/speed.csv", delimiter=",", names=True)
    assert rows["step"].tolist() == [*range(7, 60, 7), 60]
    assert (rows["tokens_per_second"] > 0).all()
    assert (rows["mfu"] > 0).all()
    assert (rows["mfu"] < 1.5).all()  # of a peak that is itself measured
    assert (whole / "speed/speed.png").stat().st_size > 5000
