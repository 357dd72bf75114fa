"""Generation on the CPU: ours, transformers' `generate`, and a loop without a cache, in turn in one run.

    python -m benchmarks.generate --json OUT

All three continue the same prompt greedily with the same random weights (GPT-2's architecture; exported to a
Hugging Face folder for transformers); how many of the first tokens agree is reported. Ours and transformers'
take turns `--rounds` times, and the median counts; the loop without a cache, which reads the whole text again
for every token, runs once. `cpu_` is the same by the processor's time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from gptmill.models import build_model
from gptmill.models.generate import generate
from gptmill.models.huggingface import export
from gptmill.models.language_model import LanguageModel
from gptmill.outs import write_json

SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 1024, "vocab_size": 2048}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--new-tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-no-cache", action="store_true", help="leave out the slow loop")
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    model = build_model("gpt2", **{name: getattr(args, name) for name in SIZES}).eval()
    with tempfile.TemporaryDirectory() as folder:
        export(model, folder)
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    report = measure(model, theirs, args.new_tokens, args.rounds, not args.without_no_cache)
    report |= {name: getattr(args, name) for name in (*SIZES, "new_tokens", "rounds")}
    report |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
    report["transformers"] = transformers.__version__
    write_json(args.json, report)
    print(report)


def measure(model: LanguageModel, theirs: Any, new: int, rounds: int, no_cache: bool) -> dict[str, Any]:
    """Seconds of each, their ratios, and how many of the first tokens all agree on."""
    prompt = list(range(1, 17))
    ids = torch.tensor([prompt])

    def with_transformers() -> list[int]:
        out = theirs.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            min_new_tokens=new,
            max_new_tokens=new,
            pad_token_id=0,
        )
        return out[0, len(prompt) :].tolist()

    def ours() -> list[int]:
        return generate(model, prompt, max_new_tokens=new, temperature=0.0)

    @torch.inference_mode()
    def without_cache() -> list[int]:
        seen = list(prompt)
        for _ in range(new):
            hidden = model.hidden(torch.tensor([seen]))
            seen.append(int(model.logits(hidden[:, -1]).argmax()))
        return seen[len(prompt) :]

    generate(model, prompt, max_new_tokens=2)
    theirs.generate(ids, max_new_tokens=2, pad_token_id=0)
    runs = [("transformers", with_transformers), ("ours", ours)] * rounds
    runs += [("no_cache", without_cache)] if no_cache else []
    times: dict[str, list[tuple[float, float]]] = {}
    texts: dict[str, list[int]] = {}
    for name, run in runs:
        seconds, texts[name] = _timed(run)
        times.setdefault(name, []).append(seconds)
    wall = {name: statistics.median(wall for wall, _ in pairs) for name, pairs in times.items()}
    cpu = {name: statistics.median(cpu for _, cpu in pairs) for name, pairs in times.items()}
    report: dict[str, Any] = {f"{name}_tokens_per_second": new / value for name, value in wall.items()}
    report |= {f"{name}_cpu_ms_per_token": 1000 * value / new for name, value in cpu.items()}
    for name in texts.keys() - {"ours"}:
        report[f"ratio_vs_{name}"] = wall[name] / wall["ours"]
        report[f"cpu_ratio_vs_{name}"] = cpu[name] / cpu["ours"]
        same = [a == b for a, b in zip(texts[name], texts["ours"], strict=True)]
        report[f"same_tokens_as_{name}"] = same.index(False) if False in same else new
    return report


def _timed(run: Callable[[], list[int]]) -> tuple[tuple[float, float], list[int]]:
    """Seconds by the clock and of the processor, and what came out."""
    wall, cpu = time.perf_counter(), time.process_time()
    text = run()
    return (time.perf_counter() - wall, time.process_time() - cpu), text


if __name__ == "__main__":
    main()
