"""The sliding window: every token once, given what the window holds; what comes of it by length and source."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gptmill.errors import UserError
from gptmill.evaluation.breakdown import by_length, by_source, figures
from gptmill.evaluation.corpus import Document
from gptmill.evaluation.sliding import effective_stride, sliding_nats
from gptmill.models import build_model

EOS = 0


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return build_model(
        "modern", vocab_size=40, block_size=16, n_layer=2, n_head=2, n_embd=16, zero_init=False
    )


def by_hand(model, ids, stride: int) -> float:
    """Token by token: the context is what the first window that holds the token holds before it."""
    stream, total = [EOS, *ids], 0.0
    for place in range(1, len(stream)):
        start = 0
        while place > start + 16:
            start += stride
        logits = model(torch.tensor([stream[start:place]]))[0, -1]
        total -= float(torch.log_softmax(logits.float(), 0)[stream[place]])
    return total


@pytest.mark.parametrize("stride", [1, 5, 8, 16])
def test_each_token_once_in_its_window(model, stride: int) -> None:
    rng = np.random.default_rng(0)
    documents = [rng.integers(1, 40, n) for n in (1, 7, 16, 17, 40, 33)]
    with torch.no_grad():
        expected = [by_hand(model, ids.tolist(), stride) for ids in documents]
    found = sliding_nats(model, documents, EOS, stride, batch_size=3)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_stride_beyond_the_window_is_refused() -> None:
    assert effective_stride(None, 128) == 96
    assert effective_stride(128, 128) == 128
    with pytest.raises(UserError, match=r"evaluate\.stride = 129 is longer than the 128 tokens"):
        effective_stride(129, 128)


def test_parts_add_up_and_empty_bins_are_left_out() -> None:
    sizes = [10, 99, 100, 250, 1000]
    documents = [Document(str(i), "ab"[i % 2], n, 0, n // 2) for i, n in enumerate(sizes)]
    nats = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    lengths = by_length(documents, nats, [100, 200, 300])
    assert {label: row["documents"] for label, row in lengths.items()} == {
        "0-99": 2,
        "100-199": 1,
        "200-299": 1,
        "300+": 1,
    }
    assert lengths["0-99"]["bits_per_byte"] == pytest.approx(3 / math.log(2) / 109)
    assert lengths["0-99"]["perplexity"] == pytest.approx(math.exp(3 / (5 + 49)))
    whole, parts = figures(documents, nats), by_source(documents, nats)
    assert list(parts) == ["a", "b"]
    assert sum(row["bytes"] for row in parts.values()) == whole["bytes"] == sum(sizes)
    assert whole["low"] < whole["bits_per_byte"] < whole["high"]
