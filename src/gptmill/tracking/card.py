"""The model card: what the model is, what it was made from, what it can do; made from facts alone."""

from __future__ import annotations

import io
from typing import Any

from gptmill.tracking.content import flatten


def model_card(facts: dict[str, Any], samples: Any) -> str:
    """Markdown with the metadata that Hugging Face's hub reads; the same for the same facts.

    The metadata name no licence for the weights: which one they get is for whoever publishes them to say, and
    the table of the training text is what they must look at.

    Args:
        facts: as `packing.gather_facts` gives them, with `scores`.
        samples: content of reports/evaluate/samples.json.
    """
    model, evaluation = facts["model"], facts.get("evaluation", {})
    licences = sorted({source["licence"] for source in facts["sources"]})
    gates = ", ".join(facts["gates"]) or "none"
    parts = [
        f"---\n{_yaml(metadata(facts))}---",
        "# A GPT made by gptmill",
        f"A {model['preset']} decoder of {model['n_layer']} layers, {model['n_head']} heads and width "
        f"{model['n_embd']}, with a context of {model['block_size']} tokens and a vocabulary of "
        f"{model['vocab_size']}, trained from scratch on the text below.",
        "## Intended use",
        "To continue a prompt in the style of the training text, to be fine-tuned on tasks like it, and for research "
        "on language models of this size.",
        "## Limits",
        "It states no facts reliably and must not be used as if it did. It knows its training text and nothing "
        f"else: no instructions, no conversation. It sees {model['block_size']} tokens at once. No filter stands "
        "between it and its reader, so what is in the training text can be in what it writes"
        + _memorised(evaluation.get("memorisation", {})),
        "## Evaluation",
        "On the whole test split, which shares no near-duplicate with the training text. Intervals (95 %) are by "
        "drawing the test's documents or examples again.",
        *_intervals(facts["scores"]),
        _table(["figure", "value"], [[key, _figure(value)] for key, value in _figures(facts["metrics"])]),
        *_by_source(evaluation.get("sliding", {})),
        "## Training text",
        _table(
            ["source", "licence", "origin", "documents", "bytes"],
            [
                [s["source"], s["licence"], s["origin"], f"{s['documents']:,}", f"{s['bytes']:,}"]
                for s in facts["sources"]
            ],
        ),
        "Licences of the text (SPDX): " + ", ".join(licences) + ".",
        "## Gates",
        f"Passed: {gates}; each gate stands on those before it in the flow.",
        *_samples(samples),
        "## Made from",
        f"Fingerprint `{facts['fingerprint']}`. MD5 of the inputs as DVC records them:",
        _table(
            ["input", "MD5"], [[f"`{path}`", f"`{md5}`"] for path, md5 in sorted(facts["made_from"].items())]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def metadata(facts: dict[str, Any]) -> dict[str, Any]:
    """The card's head (huggingface.co/docs/hub/model-cards): what it is, and its results as a `model-index`."""
    metrics = facts["metrics"]
    results = []
    if "bits_per_byte" in metrics:
        results.append(_result("text-generation", "test split", "bits_per_byte", metrics["bits_per_byte"]))
    for task, found in sorted(metrics.get("tasks", {}).items()):
        if "score" in found:
            results.append(
                _result("text-classification", task, found.get("primary", "accuracy"), found["score"])
            )
    return {
        "library_name": "gptmill",
        "pipeline_tag": "text-generation",
        "tags": ["gptmill", facts["model"]["preset"]],
        "metrics": sorted({metric["type"] for result in results for metric in result["metrics"]}),
        "model-index": [{"name": "gptmill", "results": results}],
    }


def _result(kind: str, data: str, metric: str, value: float) -> dict[str, Any]:
    """One result; the hub wants a type for the data, and these are on no hub."""
    return {
        "task": {"type": kind},
        "dataset": {"name": data, "type": "held-out"},
        "metrics": [{"type": metric, "value": round(value, 4)}],
    }


def _yaml(value: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml, stream = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(value, stream)
    return stream.getvalue()


def _figures(metrics: dict[str, Any]) -> list[tuple[str, float]]:
    return [
        (key, value)
        for key, value in sorted(flatten(metrics).items())
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _intervals(scores: dict[str, dict[str, float]]) -> list[str]:
    rows = [[name, *(f"{s[key]:.4f}" for key in ("estimate", "low", "high"))] for name, s in scores.items()]
    return [_table(["score", "figure", "at least", "at most"], rows)] if rows else []


def _by_source(sliding: dict[str, Any]) -> list[str]:
    """Bits per byte by source, where evaluate has told them apart."""
    if not sliding:
        return []
    rows = [
        [
            name,
            f"{row['documents']:,}",
            f"{row['bits_per_byte']:.4f}",
            f"{row['low']:.4f} to {row['high']:.4f}",
        ]
        for name, row in sorted(sliding["sources"].items())
    ]
    return [
        f"By source, each document read by itself through a window of {sliding['block_size']} tokens that moves on by "
        f"{sliding['stride']}:",
        _table(["source", "documents", "bits per byte", "95 % interval"], rows),
    ]


def _memorised(found: dict[str, Any]) -> str:
    """The end of a sentence: how much of the training text comes back word for word."""
    if "share" not in found.get("train", {}):
        return "."
    train = found["train"]
    return (
        f"; of {train['prompts']} prompts of {found['tokens']} tokens from it, {train['verbatim']} were continued "
        f"word for word for {found['tokens']} tokens."
    )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _samples(samples: list[dict[str, Any]]) -> list[str]:
    """A section with up to three samples."""
    blocks = [f"````text\n{sample['text']}\n````" for sample in samples[:3]]
    return ["## Samples", "As it writes, not chosen:", *blocks] if blocks else []
