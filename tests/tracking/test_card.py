"""The model card: metadata that the hub's own reader understands, figures with intervals, what is missing left out."""

from __future__ import annotations

from typing import Any

import pytest

from gptmill.tracking.card import model_card

FACTS: dict[str, Any] = {
    "fingerprint": "f" * 64,
    "model": {
        "preset": "modern",
        "n_layer": 4,
        "n_head": 4,
        "n_embd": 128,
        "block_size": 128,
        "vocab_size": 2048,
    },
    "metrics": {
        "bits_per_byte": 1.62154,
        "tasks": {"provenance": {"primary": "accuracy", "score": 0.6212, "baseline": 0.2261}},
    },
    "scores": {"bits_per_byte": {"estimate": 1.62154, "low": 1.6, "high": 1.64}},
    "sources": [{"source": "numpy", "licence": "MIT", "origin": "real", "documents": 3, "bytes": 4000}],
    "gates": ["evaluate"],
    "made_from": {"data/tokens": "0" * 32},
}
EVALUATION = {
    "sliding": {
        "stride": 96,
        "block_size": 128,
        "sources": {"numpy": {"documents": 60, "bits_per_byte": 1.5, "low": 1.4, "high": 1.6}},
    },
    "memorisation": {"tokens": 50, "train": {"prompts": 300, "verbatim": 2, "share": 2 / 300}},
}


def test_the_hub_reads_its_metadata() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="gptmill[huggingface] is not installed")
    card = hub.ModelCard(model_card(FACTS | {"evaluation": EVALUATION}, []))
    data = card.data
    assert (data.library_name, data.pipeline_tag) == ("gptmill", "text-generation")
    assert [(r.task_type, r.dataset_name, r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("text-generation", "test split", "bits_per_byte", 1.6215),
        ("text-classification", "provenance", "accuracy", 0.6212),
    ]
    assert card.text.lstrip().startswith("# A GPT made by gptmill")


def test_intervals_sources_and_limits_are_stated() -> None:
    card = model_card(FACTS | {"evaluation": EVALUATION}, [{"text": "The array"}])
    for said in (
        "| bits_per_byte | 1.6215 | 1.6000 | 1.6400 |",
        "| numpy | 60 | 1.5000 | 1.4000 to 1.6000 |",
        "| numpy | MIT | real | 3 | 4,000 |",
        "a window of 128 tokens that moves on by 96",
        "of 300 prompts of 50 tokens from it, 2 were continued word for word for 50 tokens.",
        "## Intended use",
        "## Limits",
    ):
        assert said in card, said
    assert card == model_card(FACTS | {"evaluation": EVALUATION}, [{"text": "The array"}])


def test_a_card_without_evaluation_s_details() -> None:
    card = model_card(FACTS, [])
    assert "By source" not in card
    assert "can be in what it writes." in card
