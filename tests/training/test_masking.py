"""Masked training: what is masked is a function of seed and step, learned from, and resumed to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import PARAMS, outs, train

from gptmill.models import build_model, load_model
from gptmill.models.cross_entropy import IGNORED
from gptmill.outs import read_json
from gptmill.tokens.shards import TokenStream
from gptmill.training.data import Batches
from gptmill.training.masking import (
    TRAINING,
    loss_without_context,
    mask_row,
    masked_loss,
    validation_loss,
)
from gptmill.training.step import train_step

VOCAB, EOS = 1000, 1
BERT: dict[str, Any] = {"model": PARAMS["model"] | {"preset": "bert"}}


def masked(ids: np.ndarray, *seed: int) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = mask_row(ids, VOCAB, EOS, seed)
    return inputs, targets


def test_proportions() -> None:
    ids = np.random.default_rng(0).integers(2, VOCAB, 200_000)
    inputs, targets = masked(ids, 7)
    drawn = targets != IGNORED
    assert drawn.sum() == 30_000
    assert (targets[drawn] == ids[drawn]).all()
    assert (inputs[~drawn] == ids[~drawn]).all()
    hidden, same = inputs[drawn] == VOCAB, inputs[drawn] == ids[drawn]
    assert hidden.mean() == pytest.approx(0.8, abs=0.01)
    assert same.mean() == pytest.approx(0.1, abs=0.01)
    others = inputs[drawn][~hidden & ~same]
    assert others.max() < VOCAB
    assert len(np.unique(others)) > 900  # of the whole vocabulary
    assert EOS not in others
    # Anywhere in the row, so not in runs.
    assert np.abs(np.diff(np.flatnonzero(drawn)).mean() - 1 / 0.15) < 0.1


def test_ends_of_text_are_left_alone() -> None:
    ids = np.where(np.arange(100) % 3 == 0, EOS, 5)
    for seed in range(20):
        inputs, targets = masked(ids, seed)
        assert (targets != IGNORED).sum() == 15
        assert not (targets == EOS).any()
        assert (inputs[ids == EOS] == EOS).all()
    inputs, targets = masked(np.full(20, EOS), 3)  # nothing else there
    assert (targets == EOS).sum() == 3


def test_every_row_of_a_length_has_equally_many() -> None:
    for length, count in ((1, 1), (3, 1), (16, 2), (128, 19)):
        assert (masked(np.full(length, 5), 4)[1] != IGNORED).sum() == count


def batches(tokens: Path, **changes: Any) -> list[torch.Tensor]:
    settings = {"block_size": 16, "batch_size": 8, "seed": 3, "max_steps": 50, "masked": True}
    return list(Batches(TokenStream(tokens, "train"), **(settings | changes)))


def test_a_function_of_seed_and_step(tokens: Path) -> None:
    all_steps = batches(tokens)
    assert all_steps[0].shape == (8, 2, 16)
    later = batches(tokens, first_step=30)
    assert all(torch.equal(a, b) for a, b in zip(all_steps[30:], later, strict=True))
    shares = [batches(tokens, rank=rank, world_size=2) for rank in (0, 1)]
    for whole, first, second in zip(all_steps, *shares, strict=True):
        assert torch.equal(whole[0::2], first)
        assert torch.equal(whole[1::2], second)
    assert not torch.equal(all_steps[0], batches(tokens, seed=4)[0])
    # The same window a second time, 374 windows later, is masked anew.
    seen: dict[bytes, list[bytes]] = {}
    for row in torch.cat(all_steps):
        text = torch.where(row[1] == IGNORED, row[0], row[1])
        seen.setdefault(text.numpy().tobytes(), []).append(row[1].numpy().tobytes())
    twice = [rows for rows in seen.values() if len(rows) > 1]
    assert twice
    assert sum(len(set(rows)) > 1 for rows in twice) / len(twice) > 0.9


def test_parts_of_a_batch_give_the_gradient_of_the_whole(tokens: Path) -> None:
    batch = batches(tokens)[0]
    found = []
    for size in (None, 3):
        torch.manual_seed(0)
        model = build_model("bert", vocab_size=42, block_size=16, n_layer=1, n_head=2, n_embd=16)
        optimizer = torch.optim.SGD([{"params": model.parameters(), "initial_lr": 1.0}], lr=1.0)
        found.append(
            train_step(
                model, optimizer, batch, learning_rate_factor=1.0, grad_clip=0.0, micro_batch_size=size
            )
        )
    torch.testing.assert_close(found[0], found[1])


def test_validation_is_the_same_at_each_look_and_changes_nothing(tokens: Path) -> None:
    stream = TokenStream(tokens, "validation")  # 700 tokens: 43 windows of 16
    model = build_model("bert", vocab_size=42, block_size=16, n_layer=1, n_head=2, n_embd=16, dropout=0.5)
    model.train()
    state = torch.get_rng_state()
    one, other = masked_loss(model, stream, 8), masked_loss(model, stream, 5)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert one.tokens == other.tokens == 43 * 2
    assert one.nats == pytest.approx(other.nats, rel=1e-5)
    assert masked_loss(model, stream, 8, 160).tokens == 20
    assert masked_loss(model, stream, 8, 10).tokens == 2  # less than one window
    assert validation_loss(model, stream, 8) == one


def test_the_loss_without_context_is_what_a_table_reaches(tokens: Path) -> None:
    """The best guess from what stands in the token's place, counted from many masked rows."""
    bert = build_model("bert", vocab_size=42, block_size=16, n_layer=1, n_head=2, n_embd=16)
    train_stream = TokenStream(tokens, "train")
    ids = train_stream.window(0, 6000)
    counts = np.full((43, 42), 1e-9)
    for seed in range(300):
        inputs, targets = mask_row(ids, 42, train_stream.eos_id, (seed, TRAINING))
        drawn = targets != IGNORED
        np.add.at(counts, (inputs[drawn], targets[drawn]), 1)
    chances = counts / counts.sum(axis=1, keepdims=True)
    reached = -(counts * np.log(chances)).sum() / counts.sum()
    assert loss_without_context(bert, train_stream, train_stream) == pytest.approx(reached, abs=0.01)


def test_learns_from_both_sides(tokens: Path, tmp_path: Path) -> None:
    settings = {"model": BERT["model"] | {"dropout": 0.0, "n_embd": 32}, "batch_size": 32, "max_steps": 250}
    metrics = train(tokens, tmp_path, **settings, eval_every=100)
    assert metrics["val_loss"] < metrics["unigram_loss"] - 1
    assert metrics["tokens"] == 250 * 32 * 16
    assert "val_bits_per_byte" not in metrics
    assert (tmp_path / "reports/validation.csv").read_text().startswith("step,val_loss\n")
    model = load_model(tmp_path / "model")
    assert (model.config.preset, model.config.vocab_size) == ("bert", 42)


def test_documents_apart_and_minutes(tokens: Path, tmp_path: Path) -> None:
    timed = {"max_steps": None, "max_minutes": 0.005, "optimizer": PARAMS["optimizer"] | {"warmup_steps": 0}}
    metrics = train(tokens, tmp_path, **BERT, **timed, document_mask=True, checkpoint_every=None)
    assert metrics["steps"] == read_json(tmp_path / "resume/here.steps.json")["steps"]


def test_broken_off_and_resumed_ends_with_the_same_bits(
    tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_off(_metrics: dict[str, float], step: int) -> None:
        if step >= 28:
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        train(tokens, tmp_path / "broken off", observe=break_off, **BERT)
    train(tokens, tmp_path / "broken off", **BERT)
    assert "going on from" in capsys.readouterr().out
    train(tokens, tmp_path / "whole", **BERT)
    assert outs(tmp_path / "broken off") == outs(tmp_path / "whole")
