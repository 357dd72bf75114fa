"""One near-duplicate removal in one process: ours or a peer's, timed from reading Parquet to the clusters.

    python benchmarks/dedupe_runs.py NAME CORPUS.parquet OUT.json [PRESET]

CORPUS has the columns `id` and `text`. OUT gets the CPU time (all threads and child processes), the wall
time, the peak of resident memory and, but for `stage`, each document's cluster. Imports are not timed.
Peers run as FineWeb sets them: 14 bands of 8 rows over 5-grams of words, no verification. This file
imports no gptmill unless asked for it, so that a peer may have an interpreter of its own.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Clusters = dict[str, str]
BANDS, ROWS, NGRAM = 14, 8, 5
SEED = 1337


def main() -> None:
    name, corpus, out, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=Path(out).parent) as scratch:
        run = RUNS[name](Path(scratch), *options)
        cpu, wall = cpu_s(), time.perf_counter()
        clusters = run(corpus)
        cpu, wall = cpu_s() - cpu, time.perf_counter() - wall
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {"cpu_s": cpu, "wall_s": wall, "peak_rss_mb": peak / 1024, "clusters": clusters}
    Path(out).write_text(json.dumps(report), encoding="utf-8")


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _warm_engine() -> None:
    from gptmill.corpus.engine import start_engine

    start_engine()
    import daft

    daft.from_pydict({"a": [1]}).collect()


def _params(options: tuple[str, ...]) -> Any:
    """The section of a params file with the options `key=value`: a JSON value each."""
    from gptmill.params import read_yaml
    from gptmill.params.dedupe import Dedupe

    file, *changes = options
    section = read_yaml(file)["dedupe"]
    changed = {key: json.loads(value) for key, value in (change.split("=", 1) for change in changes)}
    if "preset" in changed:
        section = {
            k: v
            for k, v in section.items()
            if k not in ("ngram_size", "similarity", "recall", "bands", "rows")
        }
    return Dedupe(**(section | changed))


def ours(scratch: Path, *options: str) -> Callable[[str], Clusters]:
    from gptmill.corpus.near_duplicates import cluster
    from gptmill.corpus.numbered import sorted_by_id

    params = _params(options)
    _warm_engine()

    def run(corpus: str) -> Clusters:
        import pyarrow.parquet as pq

        source, _ = sorted_by_id(Path(corpus), scratch)
        kept = cluster(source, params, SEED, scratch).kept
        names = pq.read_table(source, columns=["id"])["id"].to_pylist()
        return {name: names[i] for name, i in zip(names, kept.tolist(), strict=True)}

    return run


def stage(scratch: Path, *options: str) -> Callable[[str], dict[str, Any]]:
    """The whole stage: near-duplicates, split, decontamination, both outs written."""
    from gptmill.corpus.dedupe import dedupe

    params = _params(options)
    _warm_engine()

    def run(corpus: str) -> dict[str, Any]:
        dedupe(params, SEED, Path(corpus), scratch, scratch)
        return dict(json.loads((scratch / "metrics.json").read_text(encoding="utf-8")))

    return run


def read(corpus: str) -> tuple[list[str], list[str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(corpus, columns=["id", "text"])
    return table["id"].to_pylist(), table["text"].to_pylist()


def shingles(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + NGRAM]) for i in range(max(len(words) - NGRAM + 1, 1))}


def _connected(ids: list[str], neighbours: Callable[[int], list[int]]) -> Clusters:
    parent = list(range(len(ids)))

    def find(x: int) -> int:
        while parent[x] != x:
            parent[x] = x = parent[parent[x]]
        return x

    for i in range(len(ids)):
        for j in neighbours(i):
            a, b = find(i), find(int(j))
            parent[max(a, b)] = min(a, b)
    return {name: ids[find(i)] for i, name in enumerate(ids)}


def rensa(_scratch: Path, *_options: str) -> Callable[[str], Clusters]:
    from rensa import RMinHash, RMinHashLSH

    def run(corpus: str) -> Clusters:
        ids, texts = read(corpus)
        lsh = RMinHashLSH(threshold=0.7, num_perm=BANDS * ROWS, num_bands=BANDS)
        signatures = []
        for i, text in enumerate(texts):
            signature = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
            signature.update(list(shingles(text)))
            lsh.insert(i, signature)
            signatures.append(signature)
        return _connected(ids, lambda i: lsh.query(signatures[i]))

    return run


def datasketch(_scratch: Path, *_options: str) -> Callable[[str], Clusters]:
    from datasketch import MinHash, MinHashLSH

    def run(corpus: str) -> Clusters:
        ids, texts = read(corpus)
        lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        signatures = []
        for i, text in enumerate(texts):
            signature = MinHash(num_perm=BANDS * ROWS, seed=SEED)
            signature.update_batch([shingle.encode() for shingle in shingles(text)])
            lsh.insert(i, signature)
            signatures.append(signature)
        return _connected(ids, lambda i: lsh.query(signatures[i]))

    return run


def datatrove(scratch: Path, *_options: str) -> Callable[[str], Clusters]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader, ParquetReader
    from datatrove.pipeline.writers import JsonlWriter

    config = MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)

    def run(corpus: str) -> Clusters:
        def reader() -> Any:
            return ParquetReader(str(Path(corpus).parent), glob_pattern=Path(corpus).name, doc_progress=False)

        folder = {name: str(scratch / name) for name in ("signatures", "buckets", "remove", "kept")}
        pipelines = [
            ([reader(), MinhashDedupSignature(folder["signatures"], config=config)], 1),
            ([MinhashDedupBuckets(folder["signatures"], folder["buckets"], config=config)], BANDS),
            (
                [
                    MinhashDedupCluster(
                        folder["buckets"], folder["remove"], config=config, save_cluster_id=True
                    )
                ],
                1,
            ),
            (
                [
                    reader(),
                    MinhashDedupFilter(
                        folder["remove"],
                        exclusion_writer=JsonlWriter(f"{folder['kept']}/removed", compression=None),
                        load_cluster_ids=True,
                    ),
                    JsonlWriter(f"{folder['kept']}/kept", compression=None),
                ],
                1,
            ),
        ]
        for i, (pipeline, tasks) in enumerate(pipelines):
            LocalPipelineExecutor(
                pipeline, tasks=tasks, workers=1, logging_dir=str(scratch / f"log{i}")
            ).run()
        documents = JsonlReader(folder["kept"], compression=None, doc_progress=False)(None)
        found = {d.id: d.metadata.get("minhash_cluster_id", -1) for d in documents}
        return {name: f"cluster {number}" if number != -1 else name for name, number in found.items()}

    return run


RUNS = {"ours": ours, "stage": stage, "rensa": rensa, "datasketch": datasketch, "datatrove": datatrove}

if __name__ == "__main__":
    main()
