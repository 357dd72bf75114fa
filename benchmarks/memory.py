"""Peak memory of collect, clean and dedupe against the size of the corpus, and their speed.

    python -m benchmarks.memory --megabytes 50 200 800 --json OUT

The corpus is made on the fly: JSON lines of random words, 1.5 kB a document, one text in 20 a near copy of
another. Each stage runs in a process of its own; memory is the sum of the resident sets of that process and
its workers, looked at 20 times a second (pages that they share are counted for each); CPU time is that of
all of them. What a stage reads is made by the stage before it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from gptmill.outs import write_json

ROOT = Path(__file__).parents[1]
COMMON = "the of and to a in that have with be is was for on as it by at from this which or".split()  # noqa: SIM905
RUN = """
import sys
from pathlib import Path
from gptmill.errors import run
from gptmill.params import check, load
from gptmill.params.clean import Clean
from gptmill.params.collect import Collect
from gptmill.params.dedupe import Dedupe

def main():
    stage, folder, params = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    out = folder / stage
    out.mkdir()
    if stage == "collect":
        from gptmill.corpus.collect import collect
        source = {"name": "s", "kind": "files", "path": str(folder / "texts"), "licence": "MIT"}
        collect(check(Collect, {"sources": [source]}, "collect"), out)
    elif stage == "clean":
        from gptmill.corpus.clean import clean
        clean(load("clean", Clean, params), folder / "collect", out)
    else:
        from gptmill.corpus.dedupe import dedupe
        dedupe(load("dedupe", Dedupe, params), 1, folder / "clean/documents.parquet", out)

run(main)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--stages", nargs="+", default=["collect", "clean", "dedupe"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for size in args.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            documents = write_corpus(Path(folder) / "texts", size * 10**6)
            for stage in args.stages:
                measured = measure(stage, Path(folder))
                rows.append({"stage": stage, "megabytes": size, "documents": documents} | measured)
                print(json.dumps(rows[-1]), flush=True)
    if args.json:
        write_json(args.json, rows)


def write_corpus(folder: Path, size: int) -> int:
    """Write JSON lines of about `size` bytes of text into files of 10 MB; returns the number of documents."""
    folder.mkdir()
    chance = random.Random(0)
    rare = [f"{chance.choice(COMMON)}{i:x}" for i in range(50_000)]
    vocabulary = COMMON * 1500 + rare
    documents, written, text = 0, 0, ""
    while written < size:
        with (folder / f"{written // 10**7:05}.jsonl").open("w") as file:
            end = written + min(10**7, size - written)
            while written < end:
                if documents % 20 == 0 or not text:
                    words = chance.choices(vocabulary, k=270)
                    lines = [" ".join(words[i : i + 18]).capitalize() + "." for i in range(0, 270, 18)]
                    text = "\n".join(lines)
                    copy = text + " Once more."
                elif documents % 20 == 1:
                    text = copy
                else:
                    chance.shuffle(words)
                    text = "\n".join(
                        " ".join(words[i : i + 18]).capitalize() + "." for i in range(0, 270, 18)
                    )
                file.write(json.dumps({"text": text}) + "\n")
                documents += 1
                written += len(text)
    return documents


def measure(stage: str, folder: Path) -> dict[str, Any]:
    """Run one stage; its wall time, CPU time and peak memory."""
    command = [sys.executable, "-c", RUN, stage, str(folder), str(ROOT / "params.yaml")]
    started = time.monotonic()
    process = psutil.Popen(command, stderr=subprocess.PIPE)
    peak, cpu = 0, {}
    while process.poll() is None:
        resident = 0
        for member in _tree(process):
            try:
                resident += member.memory_info().rss
                times = member.cpu_times()
                cpu[member.pid] = times.user + times.system
            except psutil.Error:
                continue
        peak = max(peak, resident)
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(process.stderr.read().decode())
    seconds = time.monotonic() - started
    return {"peak_rss_mb": peak // 10**6, "wall_s": round(seconds, 1), "cpu_s": round(sum(cpu.values()), 1)}


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


if __name__ == "__main__":
    main()
