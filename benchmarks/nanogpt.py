"""nanoGPT as a peer: its own train.py in a process of its own, and its checkpoint scored by our code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def environment(threads: int) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path, "GOMP_SPINCOUNT": "3000"}


def run_peer(peer: Path, tokens: Path, options: dict[str, Any], threads: int) -> str:
    """nanoGPT's train.py on the first shards in `tokens`; what it prints."""
    data = peer / "data" / "bench"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    for ours, theirs in (("train", "train"), ("validation", "val")):
        (data / f"{theirs}.bin").symlink_to((tokens / f"{ours}-00000.bin").resolve())
    vocab_size = json.loads((tokens / "meta.json").read_text())["vocab_size"]
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": vocab_size}))
    common = {
        "dataset": "bench", "device": "cpu", "compile": False, "dropout": 0.0, "bias": True,
        "gradient_accumulation_steps": 1, "eval_iters": 1,
    }  # fmt: skip
    command = [sys.executable, "train.py", *(f"--{key}={value}" for key, value in (common | options).items())]
    done = subprocess.run(command, cwd=peer, env=environment(threads), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"nanoGPT failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def peer_loss(peer: Path, tokens: Path) -> float:
    """nanoGPT's checkpoint on the whole validation split, by the code that scores ours."""
    import torch
    import torch.nn.functional as F

    from gptmill.models.loss import stream_loss
    from gptmill.tokens.shards import TokenStream

    sys.path.insert(0, str(peer))
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    saved = torch.load(peer / "out" / "ckpt.pt", weights_only=True)
    model = GPT(GPTConfig(**saved["model_args"]))
    model.load_state_dict(saved["model"])
    # What `stream_loss` asks a model for.
    model.token_embedding, model.config.document_mask = model.transformer.wte, False

    def loss(x: Any, y: Any, reduction: str) -> Any:
        return F.cross_entropy(model(x, y)[0].flatten(0, 1), y.flatten(), reduction=reduction).view_as(y)

    model.loss = loss
    return round(stream_loss(model, TokenStream(tokens, "validation"), 32).per_token, 4)
