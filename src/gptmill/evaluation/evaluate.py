"""evaluate: what the model is worth on text it has never seen, beside references on the same bytes."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import torch

from gptmill.evaluation import breakdown, memorisation
from gptmill.evaluation.corpus import documents_of, read
from gptmill.evaluation.references import stream_text, xz_bytes
from gptmill.evaluation.samples import draw_samples, samples_as_markdown
from gptmill.evaluation.sliding import effective_stride, sliding_nats
from gptmill.evaluation.zero_shot import zero_shot
from gptmill.models import load_model
from gptmill.models.language_model import LanguageModel
from gptmill.models.loss import stream_loss, unigram_loss
from gptmill.outs import read_json, write_json
from gptmill.params.evaluate import Evaluate
from gptmill.tasks.examples import read_dataset
from gptmill.tokens.shards import TokenStream
from gptmill.tokens.tokenizer import Tokenizer

MEMORISED = ("train", "test")


def evaluate(
    params: Evaluate,
    seed: int,
    *,
    documents: Path,
    tokens: Path,
    model: Path,
    examples: dict[str, Path],
    tasks: dict[str, Path],
    reports_out: Path,
) -> None:
    """Write metrics.json (the headlines), details.json, curves as CSV, and samples to `reports_out`.

    `bits_per_byte` are the nats of all text tokens of the test split over ln 2 times its UTF-8 bytes
    (end-of-text tokens apart), so they compare across tokenizers; windows don't overlap, as in training.
    `sliding_bits_per_byte` is the same of documents read one by one through a sliding window.

    Args:
        documents: data/dedupe.
        examples: name and folder of each task's examples.
        tasks: name and metrics.json of each task.
    """
    gpt = load_model(model).to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.load(tokens / "tokenizer.model")
    test = TokenStream(tokens, "test")
    ours = stream_loss(gpt, test, params.batch_size)
    bits = {"gptmill": ours.nats / math.log(2) / test.bytes} | _references(tokens, test, tokenizer)
    read_one_by_one = _by_document(params, gpt, test, tokens, documents)
    memorised, curve = _memorised(params, seed, gpt, tokens, documents)
    guessed = {
        name: found
        for name, folder in sorted(examples.items())
        if params.zero_shot_examples and (found := _zero_shot(params, gpt, tokenizer, folder)) is not None
    }
    write_json(
        reports_out / "metrics.json",
        {
            "bits_per_byte": bits["gptmill"],
            "xz_bits_per_byte": bits["xz -9"],
            "unigram_bits_per_byte": bits["unigram tokens"],
            "sliding_bits_per_byte": read_one_by_one["all"]["bits_per_byte"],
            "perplexity": math.exp(ours.nats / ours.tokens),
            "test_bytes": test.bytes,
            "test_tokens": ours.tokens,
            "memorised": {s: memorised[s]["share"] for s in MEMORISED if "share" in memorised[s]},
            "tasks": {name: _headline(read_json(path)) for name, path in sorted(tasks.items())},
            "zero_shot": {name: found["accuracy"] for name, found in guessed.items()},
        },
    )
    details = {"sliding": read_one_by_one, "memorisation": memorised, "zero_shot": guessed}
    write_json(reports_out / "details.json", details)
    _write_rows(
        reports_out / "bits_per_byte.csv",
        [{"model": name, "bits_per_byte": figure} for name, figure in bits.items()],
    )
    for name, first, rows in (("by_source", "source", "sources"), ("by_length", "bytes", "lengths")):
        _write_rows(
            reports_out / f"{name}.csv",
            [{first: label} | _plotted(row) for label, row in read_one_by_one[rows].items()],
        )
    _write_rows(reports_out / "memorisation.csv", curve)

    samples = draw_samples(params, seed, gpt, tokenizer)
    write_json(reports_out / "samples.json", samples)
    (reports_out / "samples.md").write_text(samples_as_markdown(samples), encoding="utf-8")


def _references(tokens: Path, test: TokenStream, tokenizer: Tokenizer) -> dict[str, float]:
    """Bits per byte of what the model is measured against."""
    unigram = unigram_loss(TokenStream(tokens, "train"), test)
    text = stream_text(test, tokenizer)
    return {
        "xz -9": 8 * xz_bytes(text) / len(text),
        "unigram tokens": unigram.nats / math.log(2) / test.bytes,
    }


def _by_document(
    params: Evaluate, gpt: LanguageModel, test: TokenStream, tokens: Path, documents: Path
) -> dict[str, Any]:
    """The sliding window's figures: all, by source, by length."""
    stride = effective_stride(params.stride, gpt.config.block_size)
    listed = documents_of("test", tokens, documents)
    nats = sliding_nats(gpt, read(test, listed), test.eos_id, stride, params.batch_size)
    return {
        "stride": stride,
        "block_size": gpt.config.block_size,
        "all": breakdown.figures(listed, nats),
        "sources": breakdown.by_source(listed, nats),
        "lengths": breakdown.by_length(listed, nats, params.length_bins),
    }


def _memorised(
    params: Evaluate, seed: int, gpt: LanguageModel, tokens: Path, documents: Path
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """The share of prompts continued verbatim, of train and of test, and the curve over the tokens."""
    length = min(params.memorisation.tokens, gpt.config.block_size // 2)
    matched = {}
    for number, split in enumerate(MEMORISED):
        stream = TokenStream(tokens, split)
        runs = memorisation.draw_runs(
            stream,
            documents_of(split, tokens, documents),
            prompts=params.memorisation.prompts,
            length=length,
            seed=[seed, number],
        )
        matched[split] = memorisation.matched_tokens(gpt, runs, params.batch_size)
    found = {split: memorisation.share_verbatim(each, length) for split, each in matched.items()}
    return {"tokens": length} | found, memorisation.curve(matched, length)


def _zero_shot(
    params: Evaluate, gpt: LanguageModel, tokenizer: Tokenizer, folder: Path
) -> dict[str, Any] | None:
    return zero_shot(
        read_dataset(folder),
        gpt,
        tokenizer.encode,
        tokenizer.eos_id,
        limit=params.zero_shot_examples,
        batch_size=params.batch_size,
    )


def _headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """The primary score with its interval beside the baseline, and accuracy where answers are labels."""
    keys = ("primary", "score", "score_low", "score_high", "baseline", "accuracy", "majority_accuracy")
    return {key: metrics[key] for key in keys if key in metrics}


def _plotted(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("bits_per_byte", "low", "high", "perplexity", "documents")}


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """`rows` as CSV, the keys of the first as its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
