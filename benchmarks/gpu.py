"""All GPU figures in one call, under ten minutes: speed, memory, exact resume, and books learned.

    python -m benchmarks.gpu --peer nanogpt=DIR --books FOLDER --json OUT [--part speed|resume|books] [--toy]

Needs torch, lightning, sentencepiece and this repository (`src` on the path); no DVC, Daft or MLflow. `--toy`
runs every part on a CPU in a minute, to see that it works before a GPU is paid for.

- *speed*: 124M parameters, bf16, block 1024, compiled: tokens/s and the most memory of `pretrain` (preset gpt2,
  then modern with Muon) and of nanoGPT's train.py, in turn in the same call; MFU of the device's peak.
- *resume*: a training stopped by SIGTERM half way and gone on with, against one that was not: same bits?
- *books*: `modern` with Muon beside `gpt1`, same size and tokens, on the text files of FOLDER.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.nanogpt import ROOT, environment, run_peer

SIZES = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024}
TOY = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 32}
VOCABULARY, TOY_VOCABULARY = 50_257, 320


def main() -> None:
    parser = argparse.ArgumentParser(description="what needs a GPU")
    parser.add_argument("--peer", default="", help="nanogpt=DIR")
    parser.add_argument("--books", type=Path, help="a folder of text files; without it, random tokens")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=("speed", "resume", "books"), action="append")
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(json.loads(arguments.child))
        return
    import torch

    if not arguments.toy and not torch.cuda.is_available():
        sys.exit("no GPU here; --toy runs everything at toy size on the CPU")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() and not arguments.toy else "CPU"
    report: dict[str, Any] = {"device": device, "torch": torch.__version__, "toy": arguments.toy}
    parts = {"speed": speed, "resume": resume, "books": books}
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.part or parts:
            start = time.perf_counter()
            report[name] = parts[name](arguments, Path(scratch))
            report[name]["seconds"] = round(time.perf_counter() - start, 1)
            print(name, json.dumps(report[name]), flush=True)
            if arguments.json:  # after each part: a call that is cut short has told what it knew
                arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def speed(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Tokens/s, MFU and memory of ours and nanoGPT's at one setting."""
    toy = arguments.toy
    tokens = scratch / "random"
    random_tokens(tokens, TOY_VOCABULARY if toy else VOCABULARY, 200_000 if toy else 20_000_000)
    sizes, batch, steps = (TOY, 4, 60) if toy else (SIZES, 32, 80)
    report: dict[str, Any] = {}
    name, _, folder = arguments.peer.partition("=")
    if name == "nanogpt":
        peer = scratch / "nanogpt"
        shutil.copytree(folder, peer, ignore=shutil.ignore_patterns(".git"))
        script = peer / "train.py"
        told = "\nif torch.cuda.is_available(): print('peak memory', torch.cuda.max_memory_allocated())\n"
        script.write_text(
            script.read_text().replace("\nif ddp:\n    destroy", told + "\nif ddp:\n    destroy")
        )
        options = {**sizes, "batch_size": batch, "max_iters": steps, "eval_interval": 10**6}
        options |= {"always_save_checkpoint": False, "bias": True}
        options |= {} if toy else {"device": "cuda", "dtype": "bfloat16", "compile": True}
        out = run_peer(peer, tokens, options, 2)
        times = [
            float(ms) for i, ms in re.findall(r"iter (\d+): loss [\d.]+, time ([\d.]+)ms", out) if int(i) > 20
        ]
        memory = re.search(r"peak memory (\d+)", out)
        report["nanogpt"] = {
            "tokens_per_s": round(len(times) * batch * sizes["block_size"] / (sum(times) / 1000)),
            "memory_mb": round(int(memory[1]) / 1e6) if memory else None,
        }
    for preset, optimizer in (("gpt2", "adamw"), ("modern", "muon")):
        told = train(scratch, tokens, params(toy, {"preset": preset, **sizes}, batch, steps, optimizer))
        report[preset] = {key: told[key] for key in ("tokens_per_s", "memory_mb", "mfu", "parameters")}
        if peer_figures := report.get("nanogpt"):
            report[preset]["ratio"] = round(told["tokens_per_s"] / peer_figures["tokens_per_s"], 3)
    return report


def resume(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Weights of a run that was stopped and gone on with, and of one that was not."""
    toy = arguments.toy
    tokens = scratch / "random-small"
    random_tokens(tokens, TOY_VOCABULARY, 200_000)
    sizes = TOY if toy else {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256}
    same = {}
    for preset, optimizer in (("gpt1", "adamw"), ("modern", "muon")):
        # Dropout draws random numbers at each step.
        setting = params(toy, {"preset": preset, **sizes, "dropout": 0.1}, 8, 60, optimizer)
        whole = train(scratch, tokens, setting)["sha256"]
        again = train(scratch, tokens, setting, stop_after=30)["sha256"]
        same[preset] = whole == again
    return {"same_bits": same}


def books(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Bits per byte on held-out text of `modern` with Muon and of `gpt1`."""
    toy = arguments.toy
    tokens = scratch / "books"
    text_tokens(tokens, arguments.books, 400 if toy else 8192)
    sizes = TOY if toy else {"n_layer": 8, "n_head": 8, "n_embd": 512, "block_size": 512}
    batch, steps = (4, 40) if toy else (64, 1200)
    report: dict[str, Any] = {}
    for preset, optimizer in (("gpt1", "adamw"), ("modern", "muon")):
        told = train(scratch, tokens, params(toy, {"preset": preset, **sizes}, batch, steps, optimizer))
        keys = ("val_bits_per_byte", "val_loss", "unigram_loss", "tokens", "tokens_per_s", "epochs")
        report[preset] = {key: told[key] for key in keys}
    return report


def params(toy: bool, model: dict[str, Any], batch: int, steps: int, optimizer: str) -> dict[str, Any]:
    rest = {"name": optimizer, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.95, "grad_clip": 1.0}
    if optimizer == "adamw" and not toy:
        rest["learning_rate"] = 2.5e-4 if model["preset"] == "gpt1" else 6e-4
    return {
        "model": model, "optimizer": rest, "batch_size": batch, "max_steps": steps, "eval_every": 10**6,
        "eval_tokens": 10_000, "log_every": 10, "accelerator": "cpu" if toy else "gpu", "devices": 1,
        "precision": "auto", "checkpoint_minutes": 5.0, "compile": not toy,
    }  # fmt: skip


def train(
    scratch: Path, tokens: Path, setting: dict[str, Any], stop_after: int | None = None
) -> dict[str, Any]:
    """`pretrain` in a process of its own, where asked stopped by SIGTERM and started again."""
    out = Path(tempfile.mkdtemp(dir=scratch))
    task = json.dumps({"tokens": str(tokens), "out": str(out), "params": setting})
    command = [sys.executable, "-m", "benchmarks.gpu", "--child", task]
    for attempt in (1, 2):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(2) | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if attempt == 1 and stop_after and line.startswith(f"observed {stop_after}"):
                process.send_signal(signal.SIGTERM)
        code = process.wait()
        if code == 0:
            return dict(json.loads((out / "figures.json").read_text()))
        if code != 143 or not stop_after:
            break
    sys.exit(f"training ended with {code}")


def child(task: dict[str, Any]) -> None:
    """In a process of its own: train, and write down what there is to tell."""
    from gptmill.errors import run
    from gptmill.params.pretrain import Pretrain
    from gptmill.training.pretrain import pretrain

    setting = Pretrain.model_validate(task["params"])
    out = Path(task["out"])
    for name in ("model", "reports"):
        (out / name).mkdir(exist_ok=True)
    seen: list[tuple[float, dict[str, float]]] = []

    def observe(metrics: dict[str, float], step: int) -> None:
        if "tokens_per_second" in metrics and step > 20:
            seen.append((time.perf_counter(), metrics))
        if "train_loss" in metrics:
            print("observed", step, flush=True)

    def work() -> None:
        folders = [out / name for name in ("model", "reports", "speed", "resume/here")]
        pretrain(setting, 0, Path(task["tokens"]), *folders, observe)
        figures = json.loads((out / "reports/metrics.json").read_text())
        steps = setting.log_every * (len(seen) - 1)
        rate = steps * setting.sequences * setting.model.block_size / max(1e-9, seen[-1][0] - seen[0][0])
        figures |= {"tokens_per_s": round(rate), "memory_mb": round(seen[-1][1]["memory_mb"])}
        figures["mfu"] = round(seen[-1][1].get("mfu", 0.0), 4)
        figures["sha256"] = hashlib.sha256((out / "model/model.safetensors").read_bytes()).hexdigest()
        (out / "figures.json").write_text(json.dumps(figures))

    run(work)


def random_tokens(folder: Path, vocab_size: int, length: int) -> None:
    import numpy as np

    ids = np.random.default_rng(0).integers(2, vocab_size, length).astype("<u2")
    write_tokens(
        folder, {"train": ids, "validation": ids[:20_000]}, {"train": 1, "validation": 60_000}, vocab_size
    )


def text_tokens(folder: Path, books: Path | None, vocab_size: int) -> None:
    """The text files of a folder, every twentieth held out, by a SentencePiece model of the others."""
    import numpy as np

    from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

    if books is None:
        books = ROOT / "docs"  # the toy's corpus
    paths = sorted(path for path in books.rglob("*") if path.suffix in (".txt", ".md"))
    if len(paths) < 2:
        sys.exit(f"{books} holds {len(paths)} text files; --books needs a folder with more")
    texts = {"train": [], "validation": []}  # type: ignore[var-annotated]
    for i, path in enumerate(paths):
        split = "validation" if i % 20 == 1 else "train"
        texts[split].append(path.read_text(encoding="utf-8", errors="replace"))
    tokenizer = Tokenizer(train_tokenizer(iter(texts["train"]), vocab_size, "bpe", 0.9995))
    ids = {
        split: np.array(
            [id_ for text in parts for id_ in [*tokenizer.encode(text), tokenizer.eos_id]], dtype="<u2"
        )
        for split, parts in texts.items()
    }
    sizes = {split: sum(len(text.encode()) for text in parts) for split, parts in texts.items()}
    write_tokens(folder, ids, sizes, tokenizer.vocab_size)


def write_tokens(folder: Path, ids: dict[str, Any], sizes: dict[str, int], vocab_size: int) -> None:
    """Shards as `tokenize` writes them."""
    folder.mkdir(exist_ok=True)
    for split, numbers in ids.items():
        numbers.tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": sizes[split]} for split in ids}
    meta = {"vocab_size": vocab_size, "eos_id": 1, "dtype": "<u2", "splits": splits}
    (folder / "meta.json").write_text(json.dumps(meta))


if __name__ == "__main__":
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products
    main()
