"""Near-duplicate removal on a labelled corpus: speed, precision and recall of gptmill's dedupe.

    python -m benchmarks.near_duplicates --corpus corpus.jsonl.gz --labels labels.jsonl --json OUT

The corpus has a document a line (`id`, `text`), the labels a planted copy a line (`dup`, `src`,
`edit_rate`, `jaccard5`). What counts:

- A label is *found* when copy and source end in one cluster: which of the two stays is the keep rule's
  business.
- A removal is *true* when a member of its labelled family (copy, source, other copies of that source)
  is in the same cluster, counted so that a cluster of m documents from f families has m − f true and
  f − 1 false removals. So a natural duplicate among the unlabelled documents counts against us;
  `unlabelled_true` says how many of those false removals have a Jaccard similarity to the document
  kept at or above the threshold, by definition duplicates that the labels do not know.
- Speed is the documents divided by the CPU time of this process, all threads, from reading Parquet to
  the decisions; imports and the conversion of the JSON lines are not in it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.corpus.clusters import DisjointSets
from gptmill.corpus.dedupe import Clusters, cluster
from gptmill.corpus.engine import start_engine
from gptmill.outs import write_json
from gptmill.params import load
from gptmill.params.dedupe import Dedupe


def main() -> None:
    arguments = parse()
    settings = load("dedupe", Dedupe, arguments.params)
    chosen = {k: v for k, v in vars(arguments).items() if k in Dedupe.model_fields and v is not None}
    params = Dedupe(**(settings.model_dump() | chosen))
    labels = list(read_lines(arguments.labels))
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.parquet"
        pq.write_table(
            pa.Table.from_pylist([{"id": d["id"], "text": d["text"]} for d in read_lines(arguments.corpus)]),
            corpus,
        )
        clusters, cpu_s = timed(corpus, params, arguments.seed)
    report = {
        "documents": len(clusters.ids),
        "cpu_s": round(cpu_s, 2),
        "docs_per_cpu_s": round(len(clusters.ids) / cpu_s),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "params": params.model_dump(include={"ngram_size", "bands", "rows", "similarity"}),
        "s_curve": {str(s): round(params.chance(s), 4) for s in (0.5, 0.6, 0.7, 0.8)},
        **removals(clusters, labels, params.similarity),
        **recall(clusters, labels),
    }
    print(json.dumps(report, indent=2))
    if arguments.json:
        write_json(arguments.json, report)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="near-duplicate removal on a labelled corpus")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=1337)
    for name, kind in (("bands", int), ("rows", int), ("ngram_size", int), ("similarity", float)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of params.yaml's")
    return parser.parse_args()


def read_lines(path: Path) -> Iterable[dict[str, Any]]:
    """The JSON lines of a file, plain or .gz."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        yield from map(json.loads, file)


def timed(corpus: Path, params: Dedupe, seed: int) -> tuple[Clusters, float]:
    """The clusters, and the CPU seconds they took. A first plan of one row warms the engine up."""
    start_engine()
    import daft

    daft.from_pydict({"a": [1]}).collect()
    before = resource.getrusage(resource.RUSAGE_SELF)
    clusters = cluster(daft.read_parquet(str(corpus)), params, seed)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return clusters, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def removals(clusters: Clusters, labels: list[dict[str, Any]], threshold: float) -> dict[str, Any]:
    """Precision of the removed documents, as the module's docstring counts it."""
    number = {name: i for i, name in enumerate(clusters.ids)}
    families = DisjointSets(len(clusters.ids))
    for label in labels:
        families.union(number[label["dup"]], number[label["src"]])
    members: dict[int, list[int]] = defaultdict(list)
    for i, kept in enumerate(clusters.kept.tolist()):
        members[kept].append(i)
    true = false = unlabelled_true = 0
    for kept, cluster_members in members.items():
        found = {families.find(i) for i in cluster_members}
        true += len(cluster_members) - len(found)
        false += len(found) - 1
        others = found - {families.find(kept)}
        unlabelled_true += sum(
            any(families.find(i) == family and clusters.similarity[i] >= threshold for i in cluster_members)
            for family in others
        )
    return {
        "removed": true + false,
        "false": false,
        "unlabelled_true": unlabelled_true,
        "precision": round(true / max(true + false, 1), 5),
    }


def recall(clusters: Clusters, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """The share of labels found: of all, of those with a Jaccard similarity ≥ 0.8, by edit rate."""
    number = {name: i for i, name in enumerate(clusters.ids)}
    found = np.array([clusters.kept[number[x["dup"]]] == clusters.kept[number[x["src"]]] for x in labels])
    jaccard = np.array([x["jaccard5"] for x in labels])
    rate = np.array([x["edit_rate"] for x in labels])
    return {
        "recall": round(float(found.mean()), 4),
        "recall_at_0.8": round(float(found[jaccard >= 0.8].mean()), 4),
        "recall_by_edit_rate": {
            str(r): round(float(found[rate == r].mean()), 4) for r in sorted(Counter(rate.tolist()))
        },
    }


if __name__ == "__main__":
    main()
