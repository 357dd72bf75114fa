"""The hub client reads a cache that is laid out as it lays out its own; nothing is fetched."""

from __future__ import annotations

import builtins
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.huggingface import huggingface_units
from gptmill.errors import UserError
from gptmill.params.collect import HuggingFace

hub = pytest.importorskip("huggingface_hub.constants", reason="the hub's client is an optional extra")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repository = tmp_path / "datasets--someone--words"
    snapshot = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    (snapshot / "data").mkdir(parents=True)
    pq.write_table(pa.table({"content": ["one", "two"]}), repository / "blobs" / "b1")
    (snapshot / "data" / "train.parquet").symlink_to("../../../blobs/b1")
    (snapshot / "README.md").write_text("A card.")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    return tmp_path


def source(**options: str) -> HuggingFace:
    given = {
        "dataset": "someone/words",
        "revision": COMMIT,
        "licence": "MIT",
        "text_column": "content",
    } | options
    return HuggingFace.model_validate({"name": "hub", "kind": "huggingface"} | given)


@pytest.mark.usefixtures("cache")
def test_reads_a_cached_dataset_and_names_its_commit() -> None:
    (unit,), ignored = huggingface_units(source(), 0)
    assert ignored == 0
    assert [text.text for text in read_file(unit)] == ["one", "two"]
    assert unit.uri == f"hf://datasets/someone/words@{COMMIT}/data/train.parquet"
    assert unit.group == "someone/words"
    assert len(huggingface_units(source(files="data/"), 0)[0]) == 1
    assert len(huggingface_units(source(files="*"), 0)[0]) == 2


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": "someone/else"}, r"someone/else at 0123\w+: it is not in the hub's cache"),
        ({"revision": "f" * 40}, "words at f+: it is not in the hub's cache"),
        ({"revision": "main"}, f"at main: .*full commit hash.*main was {COMMIT}"),
        ({"revision": "v2"}, "at v2: .*full commit hash.*page on the hub"),
        ({"revision": COMMIT[:12]}, "full commit hash"),
        ({"files": "*.csv"}, r"no file that can be read matches \*\.csv"),
        ({"dataset": "not a/valid/name"}, "the hub refused"),
    ],
)
def test_what_cannot_be_had_is_a_message(options: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        huggingface_units(source(**options), 0)


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_hub(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("huggingface_hub"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_hub)
    with pytest.raises(UserError, match=r"pip install gptmill\[huggingface\]"):
        huggingface_units(source(), 0)
