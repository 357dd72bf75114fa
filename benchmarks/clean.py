"""Signals of a corpus: speed beside datatrove's, agreement with it, and the stage on one core and on two.

    python -m benchmarks.clean --corpus FILE.jsonl[.gz] [--peer datatrove] [--stage] --json OUT

A document a line, in the key `text`. Speeds are documents per CPU-second of one process (all its
threads), texts in memory → signals, by batches of 256 as in the stage; the loading of the file and a
first batch, which imports and warms up, are not in it. What is timed:

- `docs_per_cpu_s`: all signals of all presets; `gopher_docs_per_cpu_s`: Gopher's quality and repetition.
- `language_…`, `pii_…`: which language it is; the search for personal data and its replacement.
- `--peer datatrove`: its filters on the first `--peer-documents`, with its own splitter (`spacy`) where spaCy
  is installed, and with ours (`white space`); and the decisions on which it and we differ, given our words
  (`agreement`; the first `--agreement` documents).
- `--stage`: the whole stage clean, from Parquet to Parquet, wall time on one core and on two.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.agreement import THEIRS, compare, our_splitters, their_reasons
from gptmill.corpus import measure
from gptmill.corpus.language import identify
from gptmill.corpus.pii import redact
from gptmill.corpus.words import number_words
from gptmill.outs import write_json

BATCH = 256


def main() -> None:
    arguments = parse()
    texts = read(arguments.corpus)
    report: dict[str, Any] = {
        "documents": len(texts),
        "characters": sum(map(len, texts)),
        "docs_per_cpu_s": speed(texts, measure.measure),
        "gopher_docs_per_cpu_s": speed(texts, gopher),
        "language_docs_per_cpu_s": speed(texts, lambda batch: [identify(text) for text in batch]),
        "pii_docs_per_cpu_s": speed(texts, lambda batch: [redact(text) for text in batch]),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if arguments.peer:
        report["datatrove"] = peer(texts[: arguments.peer_documents], report)
        report["agreement"] = compare(texts[: arguments.agreement])
    if arguments.stage:
        report["stage"] = stage(texts)
    print(json.dumps(report, indent=2))
    if arguments.json:
        write_json(arguments.json, report)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="signals of a corpus: speed and agreement")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--peer", choices=["datatrove"])
    parser.add_argument("--peer-documents", type=int, default=1000)
    parser.add_argument("--agreement", type=int, default=4000, help="documents to compare decisions on")
    parser.add_argument("--stage", action="store_true", help="also time the stage on one core and on two")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def read(path: Path) -> list[str]:
    """The texts of a file of JSON lines, plain or .gz."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        return [json.loads(line)["text"] for line in file if line.strip()]


def gopher(texts: Sequence[str]) -> measure.Columns:
    """The signals of the preset gopher alone."""
    words = number_words([text.split() for text in texts])
    return measure.quality(texts, words) | measure.repeats(texts, words)


def speed(texts: Sequence[str], work: Callable[[Sequence[str]], Any]) -> int:
    """Documents per CPU-second."""
    work(texts[:BATCH])
    start = time.process_time()
    for first in range(0, len(texts), BATCH):
        work(texts[first : first + BATCH])
    return round(len(texts) / (time.process_time() - start))


def peer(texts: Sequence[str], ours: dict[str, Any]) -> dict[str, Any]:
    """datatrove's speed by splitter and preset, and how many times as fast ours is."""
    splitters = {"white space": our_splitters()}
    if importlib.util.find_spec("spacy"):
        splitters["spacy"] = contextlib.nullcontext()
    found: dict[str, Any] = {"documents": len(texts)}
    for name, splitter in splitters.items():
        with splitter:
            speeds = {
                preset: speed(texts, lambda batch, p=preset: their_reasons(p, batch)) for preset in THEIRS
            }
        ratio = round(ours["gopher_docs_per_cpu_s"] / speeds["gopher"], 1)
        found[name] = {"docs_per_cpu_s": speeds, "gopher_ratio": ratio}
    return found


def stage(texts: Sequence[str]) -> dict[str, Any]:
    """Wall seconds of the stage on the first core alone, and on the first two."""
    with tempfile.TemporaryDirectory() as folder:
        write_documents(texts, Path(folder))
        seconds = {cores: run_stage(Path(folder), cores) for cores in (1, 2)}
    return {
        "seconds_on_one_core": round(seconds[1], 2),
        "seconds_on_two_cores": round(seconds[2], 2),
        "docs_per_s_on_two_cores": round(len(texts) / seconds[2]),
        "speedup": round(seconds[1] / seconds[2], 2),
    }


def write_documents(texts: Sequence[str], folder: Path) -> None:
    """A table as collect leaves it."""
    from gptmill.corpus.documents import DOCUMENT, document_id

    fixed = {"source": "benchmark", "licence": "unknown", "origin": "real", "lang": "und", "meta": []}
    rows = {document_id(text): text for text in texts}
    table = [
        {"id": key, "text": text, "uri": f"line:{i}"} | fixed
        for i, (key, text) in enumerate(sorted(rows.items()))
    ]
    pq.write_table(pa.Table.from_pylist(table, DOCUMENT), folder / "documents.parquet", row_group_size=1024)


STAGE = """
import sys, time
from pathlib import Path
from gptmill.corpus.clean import clean
from gptmill.errors import run
from gptmill.params.clean import Clean

def main():
    out = Path(sys.argv[2])
    out.mkdir()
    start = time.perf_counter()
    clean(Clean(replace_pii=True, preset="docs"), Path(sys.argv[1]), out)
    print(time.perf_counter() - start)

run(main)
"""


def run_stage(folder: Path, cores: int) -> float:
    """Wall seconds of the stage in a process of its own; its imports are not in it, its workers' are."""
    command = [sys.executable, "-c", STAGE, str(folder), str(folder / f"clean{cores}")]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    if len(allowed) < cores:
        return float("nan")
    answer = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    return float(answer.stdout.split()[-1])


if __name__ == "__main__":
    main()
