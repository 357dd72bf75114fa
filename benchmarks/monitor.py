"""`gptmill monitor` on real text: how often books against more books are called drift, and speeches.

A small model and a vocabulary are made from half of the books. Then batches are drawn 100 times each:

- `like with like`: half of the other books against the rest of them. The signals of both were measured in
  the same way, so the stated rate of false alarms must hold.
- `more books`: half of the other books against what was held out of the corpus, as `gptmill monitor` does.
- `speeches`: as many State of the Union addresses against the same.
- `more books, pieces as units`: what a test would say that takes pieces of one book for independent.

    python -m benchmarks.monitor --books FOLDER --speeches FOLDER --json OUT
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptmill.models import build_model
from gptmill.monitor.compare import judge
from gptmill.monitor.drift import Limits
from gptmill.monitor.signals import MEANINGS, Measured, measure
from gptmill.monitor.texts import Texts, documents, new_documents
from gptmill.monitor.vocabulary import Vocabulary
from gptmill.params import load
from gptmill.params.clean import Clean
from gptmill.threads import share_cores
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer
from gptmill.tracking.package import Package

RESAMPLES, HELD_OUT, BATCH, STEPS = 100, 0.1, 16, 100
BLOCK = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", required=True)
    parser.add_argument("--speeches", required=True)
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args()
    share_cores()
    rules = load("clean", Clean)
    books, speeches = (_read(path, rules) for path in (args.books, args.speeches))
    random.seed(0)
    titles = sorted(set(books.units))
    ours = set(random.sample(titles, len(titles) // 2))
    held = [random.random() < HELD_OUT for _ in books.units]
    sides = [(unit in ours, out) for unit, out in zip(books.units, held, strict=True)]
    train = [i for i, side in enumerate(sides) if side == (True, False)]
    reference = _chosen(books, [i for i, side in enumerate(sides) if side == (True, True)])
    others = _chosen(books, [i for i, side in enumerate(sides) if side == (False, True)])
    package = _train([books.texts[i] for i in train])
    vocabulary = Vocabulary((books.texts[i], books.units[i]) for i in train)
    corpus = measure(reference, vocabulary, package, new=False)
    more = measure(others, vocabulary, package, new=True)
    talks = measure(speeches, vocabulary, package, new=True)
    found = {
        "like with like": _resample(lambda rng: _halves(more, rng)),
        "more books": _resample(lambda rng: (corpus, _halves(more, rng)[0])),
        "speeches": _resample(lambda rng: (corpus, _some(talks, rng, more.n_units // 2))),
        "more books, pieces as units": _resample(
            lambda rng: (_pieces(corpus), _pieces(_halves(more, rng)[0])), 20
        ),
    }
    sizes = {"books": len(titles), "training pieces": len(train), "held-out pieces": len(reference.texts)}
    sizes |= {"corpus units": corpus.n_units, "other books": more.n_units, "speeches": talks.n_units}
    args.json.write_text(json.dumps({"sizes": sizes, "results": found}, indent=2) + "\n")
    print(_markdown(found))


def _read(path: str, rules: Clean) -> Texts:
    """The cleaned documents of a folder; a documents.parquet is one that `clean` has written."""
    if path.endswith(".parquet"):
        return documents(Path(path), limit=10**9)
    return new_documents(path, rules, limit=10**9)[0]


def _chosen(texts: Texts, rows: list[int]) -> Texts:
    return Texts([texts.texts[i] for i in rows], [texts.units[i] for i in rows])


def _train(texts: list[str]) -> Package:
    """A GPT of 2 layers of 64, for some seconds: it knows the books' words, and a little of their style."""
    tokenizer = Tokenizer(train_tokenizer(texts[:100], 1024, "bpe", 0.9995))
    stream = torch.tensor([i for text in texts[:300] for i in [*tokenizer.encode(text), tokenizer.eos_id]])
    torch.manual_seed(0)
    model = build_model(
        "modern", vocab_size=1024, block_size=BLOCK, n_layer=2, n_head=2, n_embd=64, dropout=0.0
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 20, (STEPS - step) / (0.5 * STEPS))
        starts = torch.randint(len(stream) - BLOCK - 1, (BATCH,))
        rows = torch.stack([stream[i : i + BLOCK + 1] for i in starts.tolist()])
        loss = model.loss(rows[:, :-1], rows[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"last training loss: {loss.item():.3f} nats a token")
    return Package(model.eval(), tokenizer)


def _subset(side: Measured, keep: np.ndarray[Any, Any]) -> Measured:
    rows = np.flatnonzero(keep)
    return Measured(
        [side.units[i] for i in rows],
        side.bytes[rows],
        side.coverage[rows],
        [side.languages[i] for i in rows],
        side.bits[rows],
        side.states[rows],
    )


def _some(side: Measured, rng: np.random.Generator, n: int) -> Measured:
    chosen = set(rng.choice(sorted(set(side.units)), n, replace=False).tolist())
    return _subset(side, np.array([unit in chosen for unit in side.units]))


def _halves(side: Measured, rng: np.random.Generator) -> tuple[Measured, Measured]:
    one = _some(side, rng, side.n_units // 2)
    return one, _subset(side, np.array([unit not in set(one.units) for unit in side.units]))


def _pieces(side: Measured) -> Measured:
    return replace(side, units=[str(i) for i in range(len(side.units))])


def _resample(draw: Any, times: int = RESAMPLES) -> dict[str, Any]:
    alarms, signals, distances = 0, Counter[str](), {name: [] for name in MEANINGS}
    for seed in range(times):
        reference, batch = draw(np.random.default_rng(seed))
        found = judge(reference, batch, Limits(), list(MEANINGS), [], seed)
        alarms += bool(found.drifted)
        signals.update(found.drifted)
        for name, result in found.results.items():
            distances[name].append(result.distance)
    medians = {name: round(float(np.median(values)), 4) for name, values in distances.items()}
    return {"resamples": times, "alarms": alarms, "signals": dict(signals), "median distance": medians}


def _markdown(found: dict[str, Any]) -> str:
    head = ["batch", "called drift", *(f"{name}: distance, alarms" for name in MEANINGS)]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for name, result in found.items():
        cells = [
            f"{result['median distance'][signal]:.3f}, {result['signals'].get(signal, 0)}"
            for signal in MEANINGS
        ]
        lines.append(f"| {name} | {result['alarms']} of {result['resamples']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
