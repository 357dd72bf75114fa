"""Peak memory of collect, clean and dedupe against the size of the corpus, and their speed.

    python -m benchmarks.memory --megabytes 50 200 800 --json OUT
    python -m benchmarks.memory --limit-mb 400 --json OUT

The corpus is made on the fly (generated.py, 3.5 kB a document on average): JSON lines, English stop words
among made-up ones, one document in ten a copy of another with up to 5 % of its words changed. Each stage
runs in a process of its own and reads what the stage before it made; `--stages dedupe` alone reads documents that
are made for it, as clean would leave them. CPU time is that of the process and
its workers; `peak_rss_mb` the sum of their resident sets, looked at 20 times a second (pages that they
share, such as libraries, count for each).

With `--limit-mb` each stage runs in a memory cgroup of that limit, by default on a corpus ten times
larger: the kernel kills what needs more, which ends the run. `peak_anon_mb` is then the peak of the group's
memory without pages of files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.generated import VOCABULARY, block_texts, tables, vocabulary
from benchmarks.memory_limit import MemoryLimit
from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.sorting import SortedFile
from gptmill.outs import write_json

ROOT = Path(__file__).parents[1]
MB = 10**6
LOG_LENGTH = 6.05  # of the median length in words
FILE_BYTES = 32 * MB
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
        dedupe(load("dedupe", Dedupe, params), 1, folder / "clean/documents.parquet", out, out)

run(main)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+")
    parser.add_argument("--limit-mb", type=int, help="run each stage in a memory cgroup of that size")
    parser.add_argument("--stages", nargs="+", default=["collect", "clean", "dedupe"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.limit_mb:
        try:
            with MemoryLimit(args.limit_mb * MB):
                pass
        except OSError as error:
            sys.exit(f"--limit-mb: {error}")
    rows = []
    for size in args.megabytes or ([10 * args.limit_mb] if args.limit_mb else [50, 200, 800]):
        with tempfile.TemporaryDirectory() as folder:
            if args.stages == ["dedupe"]:
                documents = write_cleaned(Path(folder) / "clean", size * MB)
            else:
                documents = write_corpus(Path(folder) / "texts", size * MB)
            for stage in args.stages:
                limit = MemoryLimit(args.limit_mb * MB) if args.limit_mb else None
                measured = measure(stage, Path(folder), limit)
                rows.append({"stage": stage, "megabytes": size, "documents": documents} | measured)
                print(json.dumps(rows[-1]), flush=True)
                if args.json:
                    write_json(args.json, rows)


def write_corpus(folder: Path, size: int) -> int:
    """Write JSON lines of `size` bytes of text or a little more; returns the number of documents."""
    folder.mkdir()
    words = vocabulary().to_pylist()
    for i, word in enumerate(COMMON):
        words[i], words[VOCABULARY + i] = word, f"{word}."
    documents, written, block = 0, 0, 0
    texts: Iterator[str] = iter(())
    while written < size:
        with (folder / f"{written // FILE_BYTES:05}.jsonl").open("w", encoding="utf-8") as file:
            end = min(size, (written // FILE_BYTES + 1) * FILE_BYTES)
            while written < end:
                text = next(texts, None)
                if text is None:
                    made = block_texts(block, pa.array(words), LOG_LENGTH)
                    texts, block = iter(pc.replace_substring(made, ". ", ".\n").to_pylist()), block + 1
                    continue
                file.write(json.dumps({"text": text}) + "\n")
                documents += 1
                written += len(text)
    return documents


def write_cleaned(folder: Path, size: int) -> int:
    """Write documents.parquet of `size` bytes of text or a little more; returns the number of documents."""
    folder.mkdir()
    with SortedFile(folder / "documents.parquet", DOCUMENT) as file:
        for table in tables(LOG_LENGTH):
            file.write(table)
            size -= pc.sum(pc.binary_length(table["text"])).as_py()
            if size <= 0:
                return file.rows
    raise AssertionError("the generator ended")


def measure(stage: str, folder: Path, limit: MemoryLimit | None) -> dict[str, Any]:
    """Run one stage; its wall time, CPU time and peak memory.

    Raises:
        RuntimeError: when it fails, or is killed for want of memory.
    """
    command = [sys.executable, "-c", RUN, stage, str(folder), str(ROOT / "params.yaml")]
    started = time.monotonic()
    with limit or contextlib.nullcontext(), (folder / "errors.txt").open("w+") as errors:
        process = psutil.Popen(command, stderr=errors, preexec_fn=limit.enter if limit else None)
        peak, peak_anon, cpu = 0, 0, {}
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
            if limit:
                peak_anon = max(peak_anon, limit.anon())
            time.sleep(0.05)
        seconds = time.monotonic() - started
        killed = limit.kills() if limit else 0
        errors.seek(0)
        if process.returncode or killed:
            raise RuntimeError(
                f"{stage}: exit code {process.returncode}, {killed} killed: {errors.read()[-2000:]}"
            )
    found = {"peak_rss_mb": peak // MB, "wall_s": round(seconds, 1), "cpu_s": round(sum(cpu.values()), 1)}
    if limit:
        found |= {"limit_mb": limit.limit_bytes // MB, "peak_anon_mb": peak_anon // MB, "killed": killed}
    return found


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


if __name__ == "__main__":
    main()
