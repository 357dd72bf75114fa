"""evaluate: what the model is worth on text it has never seen, beside references on the same bytes."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import torch

from gptmill.evaluation.references import stream_text, xz_bytes
from gptmill.evaluation.samples import draw_samples, samples_as_markdown
from gptmill.models import load_model
from gptmill.models.loss import stream_loss, unigram_loss
from gptmill.outs import read_json, write_json
from gptmill.params.evaluate import Evaluate
from gptmill.tokens.shards import TokenStream
from gptmill.tokens.tokenizer import Tokenizer


def evaluate(
    params: Evaluate, seed: int, *, tokens: Path, model: Path, tasks: dict[str, Path], reports_out: Path
) -> None:
    """Write metrics.json, bits_per_byte.csv, samples.json and samples.md to `reports_out`.

    Bits per byte are the nats of all text tokens of the test split over ln 2 times its UTF-8 bytes
    (end-of-text tokens apart), so they compare across tokenizers.

    Args:
        tasks: name and metrics.json of each task.
    """
    gpt = load_model(model).to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.load(tokens / "tokenizer.model")
    test = TokenStream(tokens, "test")
    ours = stream_loss(gpt, test, params.batch_size)
    unigram = unigram_loss(TokenStream(tokens, "train"), test)
    text = stream_text(test, tokenizer)
    bits = {
        "gptmill": ours.nats / math.log(2) / test.bytes,
        "xz -9": 8 * xz_bytes(text) / len(text),
        "unigram tokens": unigram.nats / math.log(2) / test.bytes,
    }
    write_json(
        reports_out / "metrics.json",
        {
            "bits_per_byte": bits["gptmill"],
            "xz_bits_per_byte": bits["xz -9"],
            "unigram_bits_per_byte": bits["unigram tokens"],
            "perplexity": math.exp(ours.nats / ours.tokens),
            "test_bytes": test.bytes,
            "test_tokens": ours.tokens,
            "tasks": {name: _headline(read_json(path)) for name, path in sorted(tasks.items())},
        },
    )
    with (reports_out / "bits_per_byte.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", "bits_per_byte"))
        writer.writerows(bits.items())

    samples = draw_samples(params, seed, gpt, tokenizer)
    write_json(reports_out / "samples.json", samples)
    (reports_out / "samples.md").write_text(samples_as_markdown(samples), encoding="utf-8")


def _headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """The primary score with its interval beside the baseline, and accuracy where answers are labels."""
    keys = ("primary", "score", "score_low", "score_high", "baseline", "accuracy", "majority_accuracy")
    return {key: metrics[key] for key in keys if key in metrics}
