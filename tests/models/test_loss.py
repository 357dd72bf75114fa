"""Loss over a stream: every token once, end-of-text apart, and nothing drawn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gptmill.models import build_model
from gptmill.models.attention import document_ids
from gptmill.models.loss import stream_loss, unigram_loss
from gptmill.outs import write_json
from gptmill.tokens.shards import TokenStream

IDS = [5, 6, 7, 1, 5, 5, 6, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 5, 6]


@pytest.fixture
def streams(tmp_path: Path) -> tuple[TokenStream, TokenStream]:
    np.array([5, 5, 6, 1, 5, 7, 1], "<u2").tofile(tmp_path / "train-00000.bin")
    np.array(IDS, "<u2").tofile(tmp_path / "test-00000.bin")
    splits = {split: {"shards": 1, "bytes": 40} for split in ("train", "test")}
    write_json(tmp_path / "meta.json", {"vocab_size": 10, "eos_id": 1, "dtype": "<u2", "splits": splits})
    return TokenStream(tmp_path, "train"), TokenStream(tmp_path, "test")


def test_equals_windows_scored_one_by_one(streams: tuple[TokenStream, TokenStream]) -> None:
    torch.manual_seed(0)
    model = build_model("gpt1", vocab_size=10, block_size=4, n_layer=1, n_head=1, n_embd=8, dropout=0.5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    state = torch.get_rng_state()
    loss = stream_loss(model.train(), streams[1], batch_size=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training

    model.eval()
    inputs = [1, *IDS[:-1]]
    nats = {True: 0.0, False: 0.0}
    for start in range(0, len(IDS), 4):
        logits = model(torch.tensor([inputs[start : start + 4]]))[0]
        targets = torch.tensor(IDS[start : start + 4])
        for target, value in zip(targets, F.cross_entropy(logits, targets, reduction="none"), strict=True):
            nats[bool(target == 1)] += float(value)
    assert loss.nats == pytest.approx(nats[False], rel=1e-5)
    assert loss.eos_nats == pytest.approx(nats[True], rel=1e-5)
    assert (loss.tokens, loss.eos_tokens) == (16, 3)
    assert loss.per_token == pytest.approx(sum(nats.values()) / 19, rel=1e-5)


def test_documents_apart_whatever_the_batch(streams: tuple[TokenStream, TokenStream]) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 10, "block_size": 8, "n_layer": 1, "n_head": 1, "n_embd": 8}
    model = build_model("gpt1", **sizes, document_mask=True).eval()
    together = build_model("gpt1", **sizes).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    together.load_state_dict(model.state_dict())
    inputs, targets = torch.tensor([[1, *IDS[:15]]]), torch.tensor([IDS[:16]])
    expected = sum(
        float(model.loss(x, y, documents=document_ids(x, 1), reduction="sum"))
        for x, y in zip(inputs.split(8, dim=1), targets.split(8, dim=1), strict=True)
    )
    for batch_size in (1, 2):
        loss = stream_loss(model, streams[1], batch_size, max_tokens=16)
        assert loss.nats + loss.eos_nats == pytest.approx(expected, rel=1e-5)
    assert stream_loss(together, streams[1], 2, 16).per_token != pytest.approx(expected / 16, rel=1e-3)


def test_unigram_by_hand(streams: tuple[TokenStream, TokenStream]) -> None:
    loss = unigram_loss(*streams)
    chance = {5: 4 / 17, 6: 2 / 17, 7: 2 / 17, 1: 3 / 17}
    expected = sum(-math.log(chance.get(i, 1 / 17)) for i in IDS if i != 1)
    assert loss.nats == pytest.approx(expected)
    assert loss.eos_nats == pytest.approx(-3 * math.log(3 / 17))
