"""Memorisation: one pass says what generating would, and a model that has learned a text by heart is found out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gptmill.evaluation.corpus import Document
from gptmill.evaluation.memorisation import curve, draw_runs, matched_tokens, share_verbatim
from gptmill.models import build_model
from gptmill.models.generate import generate


def stream(ids: np.ndarray):
    return SimpleNamespace(window=lambda start, length: ids[start : start + length])


def test_runs_lie_within_documents_each_in_another() -> None:
    sizes = [5, 8, 30, 9, 12]
    starts = np.cumsum([0, *(n + 1 for n in sizes)])
    documents = [
        Document(str(i), "s", n, int(s), n) for i, (n, s) in enumerate(zip(sizes, starts, strict=False))
    ]
    ids = np.concatenate([np.r_[np.full(n, i + 1), 0] for i, n in enumerate(sizes)])
    runs = draw_runs(stream(ids), documents, prompts=10, length=4, seed=[3, 0])
    assert [set(run.tolist()) for run in runs] == [{2}, {3}, {4}, {5}]
    assert runs.shape == (4, 8)
    assert draw_runs(stream(ids), documents, prompts=2, length=4, seed=[3, 0]).shape == (2, 8)
    assert draw_runs(stream(ids), documents, prompts=2, length=40, seed=[3, 0]).shape == (0, 80)


@pytest.mark.parametrize(("preset", "rate"), [("modern", 0.01), ("gpt2", 0.01), ("lstm", 0.05)])
def test_what_one_pass_says_generating_does(preset: str, rate: float) -> None:
    torch.manual_seed(0)
    model = build_model(preset, vocab_size=30, block_size=20, n_layer=1, n_head=2, n_embd=32)
    text = torch.randint(1, 30, (6, 20))
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(60):  # it learns the first three by heart
        optimizer.zero_grad()
        model.loss(text[:3, :-1], text[:3, 1:]).backward()
        optimizer.step()
    model.eval()
    found = matched_tokens(model, text.numpy(), batch_size=4)
    for run, matched in zip(text.tolist(), found, strict=True):
        new = generate(model, run[:10], max_new_tokens=10, temperature=0.0)
        same = [ours == theirs for ours, theirs in zip(new, run[10:], strict=True)]
        assert matched == [*same, False].index(False)
    assert share_verbatim(found, 10)["verbatim"] == 3
    assert not (found[3:] >= 10).any()


def test_nothing_found_is_no_proof_of_nothing() -> None:
    row = share_verbatim(np.zeros(100, dtype=np.int64), 50)
    assert (row["prompts"], row["verbatim"], row["share"], row["low"]) == (100, 0, 0.0, 0.0)
    assert 0.03 < row["high"] < 0.04  # Wilson's; the rule of three says 0.03
    assert share_verbatim(np.zeros(0, dtype=np.int64), 50) == {"prompts": 0, "verbatim": 0}
    rows = curve({"train": np.array([0, 2, 3]), "test": np.zeros(0)}, 3)
    assert [round(row["train_share"], 2) for row in rows] == [0.67, 0.67, 0.33]
