"""The page's sections of scores, each beside what it must be held against."""

from __future__ import annotations

from typing import Any

from gptmill.html.page import figure, legend, paragraph, table
from gptmill.html.text import Markup, join
from gptmill.run_report.drawings import Curve, Measured, both, curves, intervals
from gptmill.run_report.facts import Facts
from gptmill.shown import number, size

WIDTHS = (720.0, 350.0)


def language_model(facts: Facts) -> Markup:
    """Bits per byte beside references, by source and by length."""
    metrics, sliding = facts.metrics, facts.details["sliding"]
    rows = [
        [
            "this model, windows side by side",
            f"{metrics['bits_per_byte']:.3f}",
            f"{metrics['perplexity']:.1f}",
        ],
        [
            f"this model, documents one by one, stride {sliding['stride']}",
            f"{sliding['all']['bits_per_byte']:.3f}",
            f"{sliding['all']['perplexity']:.1f}",
        ],
        ["xz -9", f"{metrics['xz_bits_per_byte']:.3f}", "–"],
        ["unigram model of the same tokens", f"{metrics['unigram_bits_per_byte']:.3f}", "–"],
    ]
    said = (
        f"By source and by length each document is read by itself, through a window of {sliding['block_size']} tokens "
        f"that moves on by {sliding['stride']}; intervals are of 95 %, documents drawn again."
    )
    caption = f"All {size(metrics['test_bytes'])} of the test split"
    return join(
        [
            table(caption, ["", "bits per byte", "perplexity"], rows),
            paragraph(said),
            _by("By source", sliding["sources"], "source"),
            _by("By length of the document in bytes", _rising(sliding["lengths"]), "length"),
        ]
    )


def _rising(lengths: dict[str, Any]) -> dict[str, Any]:
    """Bins such as `256-511` and `4096+` in their order: JSON of ours sorts them as text."""
    return dict(sorted(lengths.items(), key=lambda item: int(item[0].rstrip("+").split("-")[0])))


def _by(title: str, rows: dict[str, dict[str, Any]], name: str) -> Markup:
    measured = [Measured(label, row["bits_per_byte"], row["low"], row["high"]) for label, row in rows.items()]
    drawn = [intervals(title, measured, "bits per byte", width=width) for width in WIDTHS]
    listed = [
        [
            label,
            f"{row['bits_per_byte']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}",
            f"{row['perplexity']:.1f}",
            number(row["documents"]),
            size(row["bytes"]),
        ]
        for label, row in rows.items()
    ]
    head = [name, "bits per byte", "95 % interval", "perplexity", "documents", "bytes"]
    return join(
        [figure(both(*drawn), "", title=title, wide=True), table("The same in figures", head, listed)]
    )


def tasks(facts: Facts) -> Markup:
    """Scores of fine-tuning and of likelihood alone, beside always answering the commonest label."""
    if not facts.tasks:
        return paragraph("No task was asked for: finetune.tasks is empty.")
    zero_shot = facts.details["zero_shot"]
    measured = [
        Measured(name, found["score"], found["score_low"], found["score_high"], found["baseline"])
        for name, found in facts.tasks.items()
    ]
    drawn = [intervals("Scores of the tasks", measured, "score", "baseline", width) for width in WIDTHS]
    rows = [
        [
            f"{name} ({facts.kinds[name]}), {found['primary']}",
            f"{found['score']:.3f}",
            f"{found['score_low']:.3f} to {found['score_high']:.3f}",
            f"{found['baseline']:.3f}",
            number(found["test"]),
        ]
        for name, found in facts.tasks.items()
    ]
    head = ["task", "score", "95 % interval", "baseline", "examples"]
    parts = [
        figure(both(*drawn), "", title="Fine-tuned", wide=True),
        paragraph("On test, after training on the task; the baseline always gives train's commonest label."),
        table("Fine-tuned", head, rows),
    ]
    if zero_shot:
        listed = [
            [
                name,
                f"{found['accuracy']:.3f}",
                f"{found['low']:.3f} to {found['high']:.3f}",
                f"{found['baseline']:.3f}",
                f"{found['likelihood_accuracy']:.3f}",
                number(found["examples"]),
            ]
            for name, found in sorted(zero_shot.items())
        ]
        said = (
            "Without training, a task's answer is the option whose likelihood grows most by the texts before it; the "
            "column “likeliest” takes the option that is likeliest after them."
        )
        head = ["task", "accuracy", "95 % interval", "baseline", "likeliest", "examples"]
        parts += [paragraph(said), table("By likelihood alone", head, listed)]
    return join(parts)


def memorised(facts: Facts) -> Markup:
    """Prompts from train and test that are continued word for word."""
    found = facts.details["memorisation"]
    rows = [
        [
            split,
            number(found[split]["prompts"]),
            number(found[split]["verbatim"]),
            f"{found[split]['share']:.2%}",
            f"{found[split]['low']:.2%} to {found[split]['high']:.2%}",
        ]
        for split in ("train", "test")
        if "share" in found[split]
    ]
    head = ["split", "prompts", "verbatim", "share", "95 % interval"]
    said = (
        f"Prompts of {found['tokens']} tokens from within documents, continued greedily; verbatim are those continued "
        f"as the document goes on, for {found['tokens']} tokens. Test documents were never seen: what the model "
        "gives back of them is predictable, not remembered."
    )
    parts = [paragraph(said), table("Prompts continued verbatim", head, rows)]
    if lines := _survival(facts):
        drawn = [
            curves(
                "Share continued so far",
                lines,
                "tokens",
                "share of prompts",
                width=width,
                height=tall,
                low=0.0,
            )
            for width, tall in ((720.0, 220.0), (350.0, 200.0))
        ]
        said = "The share of prompts whose continuation agrees with the document for at least so many tokens."
        parts += [legend([("lost", "train"), ("kept", "test")]), figure(both(*drawn), said, wide=True)]
    return join(parts)


def _survival(facts: Facts) -> list[Curve]:
    return [
        Curve(split, colour, facts.memorised[split])
        for split, colour in (("train", "lost"), ("test", "kept"))
        if facts.memorised.get(split)
    ]
