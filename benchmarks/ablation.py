"""What each ingredient of `modern` is worth: one switch turned at a time, and the other presets, at equal tokens.

    python -m benchmarks.ablation --text BOOK.txt … --json OUT [--tokens 1_500_000] [--seeds 3] [--minutes 4]
    python -m benchmarks.ablation --json OUT --table

All variants see the same SentencePiece tokens of the same windows in the same order, with the same optimizer:
`torch.optim.Muon` for the matrices of the layers, AdamW for the rest, a warm-up over a tenth of the steps and
a straight line down to zero over the last half. A seed decides initial weights and order. The figure is the loss
in nats per token over the last twentieth of the text, which none was trained on.

Runs that OUT already has are not repeated, so a long series can be made in pieces of `--minutes`.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptmill.models import build_model
from gptmill.models.language_model import LanguageModel
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

N_LAYER, HEAD_SIZE = 4, 32
BATCH_TOKENS = 2048
MUON_LEARNING_RATE, ADAMW_LEARNING_RATE = 0.02, 3e-3

VARIANTS: dict[str, dict[str, Any]] = {
    "modern": {"preset": "modern"},
    "modern, learned positions": {"preset": "modern", "rope": False},
    "modern, LayerNorm": {"preset": "modern", "rms_norm": False},
    "modern, no norm of the embedding": {"preset": "modern", "embedding_norm": False},
    "modern, no QK-norm": {"preset": "modern", "qk_norm": False},
    "modern, GELU": {"preset": "modern", "relu2": False},
    "modern, biases": {"preset": "modern", "bias": True},
    "modern, tied head": {"preset": "modern", "tied_head": True},
    "modern, no zero-init": {"preset": "modern", "zero_init": False},
    "modern, no logit cap": {"preset": "modern", "logit_cap": 0.0},
    "modern, value residual": {"preset": "modern", "value_residual": True},
    "gpt1": {"preset": "gpt1"},
    "gpt2": {"preset": "gpt2"},
    "lstm": {"preset": "lstm", "n_layer": 1},
}


def main() -> None:
    args = parse()
    done = json.loads(args.json.read_text()) if args.json.is_file() else []
    if args.table:
        print(table(done))
        return
    torch.set_num_threads(args.threads)
    ids, vocab_size = encode(args.text, args.vocab_size)
    deadline = time.monotonic() + 60 * args.minutes
    for seed in range(args.seeds):
        for name in args.only or VARIANTS:
            if time.monotonic() > deadline:
                return
            if any(run["variant"] == name and run["seed"] == seed for run in done):
                continue
            sizes = {
                "vocab_size": vocab_size,
                "block_size": args.block_size,
                "n_layer": N_LAYER,
                "n_head": args.width // HEAD_SIZE,
                "n_embd": args.width,
            }
            result = train(sizes | VARIANTS[name], ids, args.tokens, seed)
            done.append({"variant": name, "seed": seed, "tokens": args.tokens} | result)
            args.json.write_text(json.dumps(done, indent=1) + "\n")
            print(done[-1], flush=True)


def encode(texts: list[Path], vocab_size: int) -> tuple[np.ndarray[Any, Any], int]:
    """Token ids of all texts, one after the other, and the vocabulary's size."""
    documents = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(texts)]
    lines = [line for document in documents for line in document.splitlines(keepends=True)]
    tokenizer = Tokenizer(train_tokenizer(lines[::8], vocab_size, "bpe", 0.9995))
    ids = [[tokenizer.eos_id, *tokenizer.encode(document)] for document in documents]
    return np.concatenate([np.array(part, dtype=np.int64) for part in ids]), tokenizer.vocab_size


def train(variant: dict[str, Any], ids: np.ndarray[Any, Any], tokens: int, seed: int) -> dict[str, Any]:
    """Loss on the held-out end, parameters and CPU seconds of one run."""
    block_size = variant["block_size"]
    batch_size = BATCH_TOKENS // block_size
    n_windows = (len(ids) - 1) // block_size
    held_out = range(n_windows - n_windows // 20, n_windows)
    order = np.random.default_rng(seed).permutation(held_out.start)
    steps = tokens // (batch_size * block_size)
    torch.manual_seed(seed)
    model = build_model(**variant)
    optimizers = make_optimizers(model)
    start = time.process_time()
    for step in range(steps):
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * schedule(step / steps)
        rows = order[np.arange(step * batch_size, (step + 1) * batch_size) % len(order)]
        model.loss(*batch(ids, rows, block_size)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    cpu_s = time.process_time() - start
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_s": round(cpu_s, 1),
        "val_loss": round(evaluate(model, ids, np.array(held_out), block_size), 4),
    }


def make_optimizers(model: LanguageModel) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the layers' matrices, AdamW for embeddings, head and vectors, each with its learning rate."""
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        in_layers = name.startswith(("blocks.", "lstm.")) and parameter.ndim == 2
        (matrices if in_layers else rest).append(parameter)
    return [
        (torch.optim.Muon(matrices, lr=MUON_LEARNING_RATE, weight_decay=0.0), MUON_LEARNING_RATE),
        (
            torch.optim.AdamW(rest, lr=ADAMW_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
            ADAMW_LEARNING_RATE,
        ),
    ]


def schedule(progress: float) -> float:
    """Up over the first tenth, level, down to zero over the last half."""
    return min(1.0, 10 * progress + 0.01, 2 * (1 - progress))


def batch(
    ids: np.ndarray[Any, Any], windows: np.ndarray[Any, Any], block_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.from_numpy(np.stack([ids[w * block_size : (w + 1) * block_size + 1] for w in windows]))
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def evaluate(
    model: LanguageModel, ids: np.ndarray[Any, Any], windows: np.ndarray[Any, Any], block_size: int
) -> float:
    """Mean nats per token over some windows, at most 1,024 of them."""
    model.eval()
    parts = np.array_split(windows[:1024], max(1, min(len(windows), 1024) // 32))
    nats = [float(model.loss(*batch(ids, part, block_size), reduction="sum")) for part in parts]
    return sum(nats) / (block_size * sum(map(len, parts)))


def table(runs: list[dict[str, Any]]) -> str:
    """Markdown: mean, spread and distance to `modern` on the same seeds, with its standard error."""
    losses: dict[str, dict[int, float]] = {}
    for run in runs:
        losses.setdefault(run["variant"], {})[run["seed"]] = run["val_loss"]
    size = {run["variant"]: run["parameters"] for run in runs}
    lines = [
        "| variant | parameters | seeds | loss, mean | standard deviation | minus `modern`, same seeds |",
        "|---|---|---|---|---|---|",
    ]
    for name, by_seed in losses.items():
        values = list(by_seed.values())
        spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "–"
        gaps = [loss - losses["modern"][seed] for seed, loss in by_seed.items() if seed in losses["modern"]]
        gap = f"{statistics.mean(gaps):+.4f}" if gaps and name != "modern" else ""
        if gap and len(gaps) > 1:
            gap += f" ± {statistics.stdev(gaps) / math.sqrt(len(gaps)):.4f}"
        lines.append(
            f"| {name} | {size[name]:,} | {len(values)} | {statistics.mean(values):.4f} | {spread} | {gap} |"
        )
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--text", type=Path, nargs="+", default=[], help="text files, one document each")
    parser.add_argument("--json", type=Path, required=True, help="runs done; added to")
    parser.add_argument("--table", action="store_true", help="only print the table of the runs done")
    parser.add_argument("--tokens", type=int, default=1_500_000, help="tokens to train on, each variant")
    parser.add_argument("--vocab-size", type=int, default=2048)
    parser.add_argument("--width", type=int, default=128, help="n_embd; 4 layers, heads of 32")
    parser.add_argument("--block-size", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, help="some variants")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after these")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
