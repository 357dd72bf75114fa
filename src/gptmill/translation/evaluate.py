"""A trained system on the test split: translations, scores, scores by length, and where it looked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from gptmill.models.encoder_decoder import PAD, EncoderDecoder
from gptmill.models.search import beam_search, greedy
from gptmill.models.systems import load_system
from gptmill.outs import write_json
from gptmill.params.translate import TranslationEvaluation
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.lightning import root_device
from gptmill.translation.batches import NO_LOSS, Pair, collate, fill, load_pairs
from gptmill.translation.loss import token_loss
from gptmill.translation.scores import by_length, score

PREDICTIONS = pa.schema(
    [(name, pa.string()) for name in ("id", "source", "target", "predicted")] + [("tokens", pa.int32())]
)


def translate(
    model: EncoderDecoder,
    tokenizer: Tokenizer,
    sources: Sequence[str],
    *,
    beams: int,
    max_new_tokens: int,
    length_penalty: float = 1.0,
    batch_size: int = 128,
) -> list[str]:
    """A translation of each source, in their order, cut off after `max_new_tokens`.

    Any text can be read: characters outside the vocabulary as their bytes, however many there are. Sources of
    like length are translated together.

    Raises:
        UserError: for a source that is longer than the positions of a model which has learned them.
    """
    device = next(model.parameters()).device
    ids = [tokenizer.encode(source) or [tokenizer.eos_id] for source in sources]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    texts = [""] * len(ids)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        source = fill([ids[i] for i in places], PAD).to(device)
        if beams == 1:
            rows = greedy(model, source, eos_id=tokenizer.eos_id, max_new_tokens=max_new_tokens)
        else:
            rows = beam_search(
                model,
                source,
                beams=beams,
                eos_id=tokenizer.eos_id,
                max_new_tokens=max_new_tokens,
                length_penalty=length_penalty,
            )
        for i, row in zip(places, rows, strict=True):
            texts[i] = tokenizer.decode(row)
    return texts


@torch.inference_mode()
def mean_loss(model: EncoderDecoder, pairs: Sequence[Pair], eos_id: int, batch_size: int) -> float:
    """Nats a token of the targets, their ends included, without label smoothing."""
    device = next(model.parameters()).device
    nats, tokens = 0.0, 0
    ordered = sorted(pairs, key=lambda pair: (len(pair.source_ids) + len(pair.target_ids), pair.id))
    for first in range(0, len(ordered), batch_size):
        source, target, labels = (t.to(device) for t in collate(ordered[first : first + batch_size], eos_id))
        count = int((labels != NO_LOSS).sum())
        nats += float(token_loss(model(source, target), labels)) * count
        tokens += count
    return nats / tokens


def evaluate(
    params: TranslationEvaluation,
    pairs: Path,
    model_folder: Path,
    *,
    translations_out: Path,
    reports_out: Path,
) -> None:
    """Translate the test split (`translations_out`); write scores, scores by length and alignments (`reports_out`)."""
    tokenizer = Tokenizer.load(pairs / "tokenizer.model")
    validation, test = (load_pairs(pairs, tokenizer, split) for split in ("validation", "test"))
    model = load_system(model_folder).to(root_device(params.accelerator))
    found = translate(
        model,
        tokenizer,
        [pair.source for pair in test],
        beams=params.beams,
        max_new_tokens=params.max_new_tokens,
        length_penalty=params.length_penalty,
        batch_size=params.batch_size,
    )
    truth = [pair.target for pair in test]
    lengths = [len(pair.source_ids) for pair in test]
    rows = [
        {"id": pair.id, "source": pair.source, "target": pair.target, "predicted": text, "tokens": n}
        for pair, text, n in zip(test, found, lengths, strict=True)
    ]
    table = pa.Table.from_pylist(rows, PREDICTIONS)
    pq.write_table(table, translations_out / "predictions.parquet", compression="zstd")
    write_json(
        reports_out / "metrics.json",
        {
            "pairs": len(test),
            "parameters": sum(weights.numel() for weights in model.parameters()),
            "val_loss": mean_loss(model, validation, tokenizer.eos_id, params.batch_size),
            "primary": params.metrics[0],
            "scores": score(params.metrics, found, truth, params.resamples),
        },
    )
    binned = by_length(params.metrics[0], lengths, params.length_bins, found, truth, params.resamples)
    write_rows(binned, reports_out / "by_length.csv")
    write_json(reports_out / "alignments.json", alignments(model, tokenizer, test, found, params.heat_maps))


@torch.inference_mode()
def alignments(
    model: EncoderDecoder, tokenizer: Tokenizer, test: Sequence[Pair], found: Sequence[str], count: int
) -> list[dict[str, Any]]:
    """For some test pairs: tokens of source and translation, and the weights between them, one row a written token.

    The pairs are spread over the lengths of the sources; the same ones for every system.
    """
    if not model.looks:
        return []
    device = next(model.parameters()).device
    order = sorted(range(len(test)), key=lambda i: (len(test[i].source_ids), test[i].id))
    chosen = [order[(2 * n + 1) * len(order) // (2 * count)] for n in range(min(count, len(order)))]
    pieces, maps = tokenizer.pieces(), []
    for i in chosen:
        source, written = test[i].source_ids, tokenizer.encode(found[i])
        given = torch.tensor([[tokenizer.eos_id, *written]], device=device)
        weights = model.align(torch.tensor([source], device=device), given)[0]
        maps.append(
            {
                "id": test[i].id,
                "source": [pieces[token].decode("utf-8", "replace") for token in source],
                "written": [*(pieces[token].decode("utf-8", "replace") for token in written), "⏎"],
                "right": found[i] == test[i].target,
                "weights": [[round(value, 3) for value in row] for row in weights.tolist()],
            }
        )
    return maps


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Rows as CSV, the keys of the first as its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
