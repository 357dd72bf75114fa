from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from gptmill.corpus.collect import find_units
from gptmill.corpus.outcomes import Counts, write_outs
from gptmill.corpus.sampling import places
from gptmill.corpus.sources.reading import read_unit
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.collect import Collect

N = 400


def lines(path: Path, numbers: range) -> dict[str, Any]:
    path.write_text("".join(json.dumps({"text": f"Text {i}"}) + "\n" for i in numbers))
    return {"name": path.stem, "kind": "files", "path": str(path), "licence": "MIT"}


def run(out: Path, *sources: dict[str, Any], seed: int = 0) -> dict[str, set[str]]:
    """The texts kept of each source; every text read must be accounted for."""
    out.mkdir()
    params = check(Collect, {"sources": list(sources), "sample_seed": seed}, "collect")
    counts: Counts = {source.name: Counter() for source in params.sources}
    units = [
        unit for rank, source in enumerate(params.sources) for unit in find_units(source, rank, params)[0]
    ]
    parts = [out / f"{number}.part" for number in range(len(units))]
    for unit, part in zip(units, parts, strict=True):
        counts[unit.source]["read"] += read_unit(unit, part)["read"]
    write_outs(params, units, parts, out, counts)
    rows = pq.read_table(out / "documents.parquet").to_pylist()
    for name, counted in counts.items():
        assert counted["read"] == counted["documents"] + counted["repeats"] + counted["dropped"]
        dropped = pq.read_table(out / "dropped.parquet", filters=[("source", "=", name)])
        assert len(dropped) == counted["dropped"]
        assert counted["bytes"] == sum(len(row["text"].encode()) for row in rows if row["source"] == name)
    return {
        str(source["name"]): {row["text"] for row in rows if row["source"] == source["name"]}
        for source in sources
    }


def test_a_sample_is_of_texts_not_of_places(tmp_path: Path) -> None:
    whole = lines(tmp_path / "a.jsonl", range(N))
    folder = tmp_path / "b"
    folder.mkdir()
    for i in range(4):
        lines(folder / f"{3 - i}.jsonl", range(i * N // 4, (i + 1) * N // 4))
    kept = run(tmp_path / "1", whole | {"sample": 0.25})["a"]
    assert 60 < len(kept) < 140
    assert kept == run(tmp_path / "2", whole | {"name": "a", "path": str(folder), "sample": 0.25})["a"]
    assert kept < run(tmp_path / "3", whole | {"sample": 0.5})["a"]
    assert kept != run(tmp_path / "4", whole | {"sample": 0.25}, seed=1)["a"]
    assert set(pq.read_table(tmp_path / "1/dropped.parquet")["reason"].to_pylist()) == {"sample"}


def test_caps_are_met_exactly(tmp_path: Path) -> None:
    whole = lines(tmp_path / "a.jsonl", range(N))
    kept = run(tmp_path / "1", whole | {"max_documents": 50})["a"]
    assert len(kept) == 50
    assert kept < run(tmp_path / "2", whole | {"max_documents": 51})["a"]
    few = run(tmp_path / "3", whole | {"max_bytes": 100})["a"]
    assert 91 < sum(map(len, few)) <= 100
    assert few < kept
    both = run(tmp_path / "4", whole | {"max_documents": 50, "max_bytes": 100, "sample": 0.5})["a"]
    assert both == few
    reasons = pq.read_table(tmp_path / "4/dropped.parquet")["reason"].to_pylist()
    assert set(reasons) == {"sample", "max_bytes"}
    assert len(run(tmp_path / "5", whole | {"max_documents": 10 * N})["a"]) == N


def test_what_one_source_leaves_out_the_next_may_take(tmp_path: Path) -> None:
    a, b = lines(tmp_path / "a.jsonl", range(N)), lines(tmp_path / "b.jsonl", range(N // 2, 3 * N // 2))
    for number, limit in enumerate(({"sample": 0.3}, {"max_documents": 100}, {"max_bytes": 1000})):
        kept = run(tmp_path / f"{number}", a | limit, b)
        assert kept["a"].isdisjoint(kept["b"])
        assert kept["b"] | kept["a"] >= {f"Text {i}" for i in range(N // 2, 3 * N // 2)}
    kept = run(tmp_path / "capped", a | {"max_documents": 100}, b | {"max_documents": 100})
    assert [len(texts) for texts in kept.values()] == [100, 100]


def test_places_are_uniform() -> None:
    place = places([str(i) for i in range(20_000)], 7) / 2.0**64
    assert np.abs(np.histogram(place, 10, (0, 1))[0] - 2000).max() < 200


@pytest.mark.parametrize(("key", "value"), [("sample", 0.0), ("sample", 1.5), ("max_documents", 0)])
def test_impossible_amounts_are_refused(tmp_path: Path, key: str, value: float) -> None:
    with pytest.raises(UserError, match=f"sources.0.{key}"):
        run(tmp_path / "x", lines(tmp_path / "a.jsonl", range(2)) | {key: value})
