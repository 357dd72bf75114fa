"""Near-duplicate removal: speed, precision and recall on a labelled corpus, beside peers; cores; growth.

    python -m benchmarks.dedupe --corpus FILE.jsonl[.gz] --labels FILE.jsonl [--preset thorough]
        [--peer datatrove --peer rensa --peer datasketch] [--cores] --json OUT
    python -m benchmarks.dedupe --growth 20000 --growth 2000000 --json OUT

The corpus has a document a line (`id`, `text`), the labels a planted copy a line (`dup`, `src`,
`edit_rate`, `jaccard5`). Each run is a process of its own (`dedupe_runs.py`), one after the other.

- A label is *found* when copy and source end in one cluster: which of the two stays is the keep rule's
  business.
- A removal is *true* when a member of its labelled family (copy, source, other copies of that source)
  is in the same cluster, counted so that a cluster of m documents from f families has m − f true and
  f − 1 false removals. So a natural duplicate among the unlabelled documents counts against everyone.
- Speed is the documents divided by the CPU time of a process and its children, all threads, from reading
  Parquet to the clusters; imports and the conversion of the JSON lines are not in it.
- Growth is that of the whole stage on a generated corpus: duplicates, split, decontamination, outs written.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.outs import write_json

RUNS = Path(__file__).with_name("dedupe_runs.py")
PEERS = ("rensa", "datasketch", "datatrove")
Report = dict[str, Any]


def main() -> None:
    arguments = parse()
    options = [str(arguments.params), *([f'preset="{arguments.preset}"'] if arguments.preset else [])]
    options += arguments.set
    report: Report = {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.corpus:
            report |= labelled(arguments, options, Path(folder))
        if arguments.growth:
            report["growth"] = [growth(n, options, Path(folder)) for n in arguments.growth]
    print(json.dumps(report, indent=2))
    if arguments.json:
        write_json(arguments.json, report)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="near-duplicate removal: accuracy, speed, cores, growth")
    parser.add_argument("--corpus", type=Path, help="documents, a JSON object a line (.gz too)")
    parser.add_argument("--labels", type=Path, help="planted copies, a JSON object a line")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--preset", help="instead of that of params.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="a value of dedupe")
    parser.add_argument("--peer", action="append", default=[], choices=PEERS)
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--cores", action="store_true", help="also time one core against two")
    parser.add_argument("--growth", action="append", type=int, default=[], metavar="DOCUMENTS")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if bool(arguments.corpus) != bool(arguments.labels) or not (arguments.corpus or arguments.growth):
        parser.error("give --corpus and --labels, or --growth, or all")
    return arguments


def labelled(arguments: argparse.Namespace, options: list[str], folder: Path) -> Report:
    """Ours at the top level of the report, under `peers` the others on the same file."""
    labels = list(read_lines(arguments.labels))
    corpus = folder / "corpus.parquet"
    rows = sorted(read_lines(arguments.corpus), key=lambda row: str(row["id"]))
    table = pa.table({name: [row[name] for row in rows] for name in ("id", "text")})
    pq.write_table(table, corpus, row_group_size=1024)

    report = scored(run("ours", corpus, folder, options), labels)
    report["text_mb"] = round(table["text"].nbytes / 1e6, 1)
    report["options"] = options[1:]
    if arguments.cores:
        walls = [run("ours", corpus, folder, options, cores=cores)["wall_s"] for cores in (1, 2)]
        report["wall_s_by_cores"] = {"1": round(walls[0], 2), "2": round(walls[1], 2)}
        report["two_cores_against_one"] = round(walls[0] / walls[1], 2)
    report["peers"] = {
        peer: scored(run(peer, corpus, folder, [], arguments.peer_python), labels) for peer in arguments.peer
    }
    return report


def run(
    name: str,
    corpus: Path,
    folder: Path,
    options: list[str],
    python: str = sys.executable,
    cores: int | None = None,
) -> Report:
    """What `dedupe_runs.py` reports, in a process that may use `cores` of the cores at hand."""
    out = folder / "out.json"

    def limit() -> None:
        if cores:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    command = [python, str(RUNS), name, str(corpus), str(out), *options]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(out.read_text(encoding="utf-8")))


def growth(documents: int, options: list[str], folder: Path) -> Report:
    """The whole stage on a generated corpus of that many documents."""
    from benchmarks.generated import write_corpus

    corpus = folder / "generated.parquet"
    text_bytes = write_corpus(corpus, documents)
    found = run("stage", corpus, folder, options)
    return {
        "documents": documents,
        "text_mb": round(text_bytes / 1e6, 1),
        "cpu_s": round(found["cpu_s"], 2),
        "wall_s": round(found["wall_s"], 2),
        "cpu_us_per_document": round(found["cpu_s"] / documents * 1e6, 1),
        "peak_rss_mb": round(found["peak_rss_mb"]),
        "dropped": {key: found["clusters"][key] for key in ("exact", "near", "contaminated")},
    }


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a file, plain or .gz."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        yield from map(json.loads, file)


def scored(found: Report, labels: list[dict[str, Any]]) -> Report:
    """Speed, memory, precision and recall of a run."""
    clusters: dict[str, str] = found["clusters"]
    return {
        "documents": len(clusters),
        "cpu_s": round(found["cpu_s"], 2),
        "wall_s": round(found["wall_s"], 2),
        "docs_per_cpu_s": round(len(clusters) / found["cpu_s"]),
        "peak_rss_mb": round(found["peak_rss_mb"]),
        **removals(clusters, labels),
        **recall(clusters, labels),
    }


def removals(clusters: dict[str, str], labels: list[dict[str, Any]]) -> Report:
    """Precision of the removed documents, as the module's docstring counts it."""
    family = {name: name for name in clusters}

    def find(name: str) -> str:
        while family[name] != name:
            name = family[name]
        return name

    for label in labels:
        family[find(label["dup"])] = find(label["src"])
    members: dict[str, list[str]] = defaultdict(list)
    for name, cluster in clusters.items():
        members[cluster].append(name)
    true = false = 0
    for names in members.values():
        families = len({find(name) for name in names})
        true += len(names) - families
        false += families - 1
    return {"removed": true + false, "false": false, "precision": round(true / max(true + false, 1), 5)}


def recall(clusters: dict[str, str], labels: list[dict[str, Any]]) -> Report:
    """The share of labels found: of all, of those with a Jaccard similarity ≥ 0.8, by edit rate."""

    def share(some: list[dict[str, Any]]) -> float:
        found = sum(clusters[label["dup"]] == clusters[label["src"]] for label in some)
        return round(found / max(len(some), 1), 4)

    rates = sorted({label["edit_rate"] for label in labels})
    return {
        "recall": share(labels),
        "recall_at_0.8": share([label for label in labels if label["jaccard5"] >= 0.8]),
        "recall_by_edit_rate": {str(r): share([x for x in labels if x["edit_rate"] == r]) for r in rates},
    }


if __name__ == "__main__":
    main()
