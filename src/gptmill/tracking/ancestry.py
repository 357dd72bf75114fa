"""What is behind a registered version, from the registry and DVC's cache alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptmill.outs import read_json
from gptmill.tracking.cache import cached_documents
from gptmill.tracking.content import key_name
from gptmill.tracking.fetch import Version
from gptmill.tracking.lineage import overlap
from gptmill.tracking.packing import FACTS
from gptmill.tracking.pyfunc import CHAIN, PACKAGE


def ancestry(version: Version, folder: Path) -> str:
    """The chain, newest stage first, down to the sources and their licences, as text to read.

    Args:
        folder: the version's files.
    """
    facts, chain = read_json(folder / PACKAGE / FACTS), read_json(folder / CHAIN)
    tags = version.tags
    dirty = ", with changes that are in no commit" if tags.get("gptmill.dirty") == "true" else ""
    head = {
        "fingerprint": facts["fingerprint"],
        "git commit": tags.get("mlflow.source.git.commit", "unknown") + dirty,
        "dvc.lock": tags.get("gptmill.dvc_lock", "unknown"),
        "parent run": tags.get("gptmill.parent_run", "unknown"),
        "tokenizer": facts["tokenizer"],
        "test data": facts["test_data"],
        "reason": tags.get("gptmill.reason", "unknown"),
    }
    lines = [f"{version.name} {version}", *(f"  {key:<12} {value}" for key, value in head.items()), ""]
    for stage in newest_first(chain):
        made = chain[stage]
        verdict = tags.get(key_name(f"gptmill.{stage}"), "")
        lines.append(f"{stage:<22} {made['fingerprint'][:12]}  {verdict}".rstrip())
        lines += [f"  {md5:<36} {path}" for path, md5 in made["deps"].items()]
    lines += ["", "training text: licence, origin, documents, bytes, source"]
    lines += [
        f"  {s['licence']:<20} {s['origin']:<10} {s['documents']:>10,} {s['bytes']:>14,}  {s['source']}"
        for s in facts["sources"]
    ]
    return "\n".join(lines)


def newest_first(chain: dict[str, Any]) -> list[str]:
    """Stages in an order in which each stands before those whose outs it read; by name among equals."""
    makers = {
        stage: {
            other
            for other, made in chain.items()
            if other != stage
            and any(overlap(dep, out) for dep in chain[stage]["deps"] for out in made["outs"])
        }
        for stage in chain
    }
    order: list[str] = []
    while len(order) < len(chain):
        order.append(min(stage for stage in chain if stage not in order and makers[stage] <= set(order)))
    return order[::-1]


def training_documents(folder: Path, root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Id, licence, source and address of each document of the train split, sorted by id.

    Raises:
        UserError: when they are neither in DVC's cache nor on its remote.
    """
    import pyarrow.parquet as pq

    path = cached_documents(root, read_json(folder / PACKAGE / FACTS)["made_from"])
    columns = ["id", "licence", "source", "uri"]
    table = pq.read_table(path, columns=columns, filters=[("split", "==", "train")]).sort_by("id")
    for batch in table.to_batches(max_chunksize=4096):
        yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
