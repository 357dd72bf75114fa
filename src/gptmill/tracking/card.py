"""The model card: what the model is, what it was made from, what it can do; made from facts alone."""

from __future__ import annotations

from typing import Any

from gptmill.tracking.content import flatten


def model_card(facts: dict[str, Any], samples: Any) -> str:
    """Markdown, the same for the same facts.

    Args:
        facts: as `package.gather_facts` gives them.
        samples: content of reports/evaluate/samples.json.
    """
    model = facts["model"]
    licences = sorted({source["licence"] for source in facts["sources"]})
    gates = ", ".join(facts["gates"]) or "none"
    parts = [
        "# A GPT made by gptmill",
        f"A {model['preset']} decoder of {model['n_layer']} layers, {model['n_head']} heads and width "
        f"{model['n_embd']}, with a context of {model['block_size']} tokens and a vocabulary of "
        f"{model['vocab_size']}. It was trained from scratch on the text below and continues a prompt in "
        "the style of that text. It states no facts reliably and must not be used as if it did.",
        "## Evaluation",
        "On the whole test split, which shares no near-duplicate with the training text.",
        _table(["figure", "value"], [[key, _figure(value)] for key, value in _figures(facts["metrics"])]),
        *_intervals(facts["scores"]),
        "## Training text",
        _table(
            ["source", "licence", "origin", "documents", "bytes"],
            [
                [s["source"], s["licence"], s["origin"], f"{s['documents']:,}", f"{s['bytes']:,}"]
                for s in facts["sources"]
            ],
        ),
        "Licences: " + ", ".join(licences) + ".",
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


def _figures(metrics: dict[str, Any]) -> list[tuple[str, float]]:
    return [
        (key, value)
        for key, value in sorted(flatten(metrics).items())
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _intervals(scores: dict[str, dict[str, float]]) -> list[str]:
    """A table of intervals, by drawing the test's documents or examples again."""
    rows = [[name, *(f"{s[key]:.4f}" for key in ("estimate", "low", "high"))] for name, s in scores.items()]
    return [_table(["score", "figure", "at least", "at most"], rows)] if rows else []


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _samples(samples: list[dict[str, Any]]) -> list[str]:
    """A section with up to three samples."""
    blocks = [f"````text\n{sample['text']}\n````" for sample in samples[:3]]
    return ["## Samples", "As it writes, not chosen:", *blocks] if blocks else []
