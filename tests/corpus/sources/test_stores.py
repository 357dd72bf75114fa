from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.corpus.collect import collect
from gptmill.corpus.sources.folders import file_units
from gptmill.corpus.sources.stores import stamp
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.collect import Collect, Files


def source(path: str) -> dict[str, str]:
    return {"name": "s", "kind": "files", "path": path, "licence": "MIT"}


def units(path: str) -> tuple[list[Any], int]:
    return file_units(Files.model_validate(source(path)), 0)


@pytest.fixture
def memory() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    store.pipe({"/b/x y/ä.txt": b"A", "/b/z.jsonl": b'{"text": "B"}', "/b/z.pdf": b"", "/b/.h/a.txt": b"no"})
    yield store
    store.rm("/b", recursive=True)


@pytest.mark.usefixtures("memory")
def test_folders_globs_and_files() -> None:
    found, ignored = units("memory://b")
    assert [unit.uri for unit in found] == ["memory://b/x%20y/%C3%A4.txt", "memory://b/z.jsonl"]
    assert ignored == 1
    assert [unit.path for unit in units("memory://b/*.jsonl")[0]] == ["memory://b/z.jsonl"]
    assert len(units("memory://b/**/*.txt")[0]) == 1
    assert units("memory://b/z.jsonl")[0][0].uri == "memory://b/z.jsonl"


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("memory://none", "no file is there or matches"),
        ("memory://b/*.pdf", r"Suffixes found: \.pdf"),
        ("file:///b", "give a local path as such"),
        ("wrong://b", r"no store is known as wrong://\. Known are such as s3:// and gs://$"),
        ("https://a.org/b.txt", "kind url, with its sha256"),
        ("hf://datasets/a/b", "kind huggingface, with its commit"),
    ],
)
def test_what_cannot_be_had_is_a_message(path: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        units(path)


def test_a_client_that_is_not_installed_is_named() -> None:
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"pip install gptmill\[gcs\]"):
            units("gs://bucket/x")
    else:
        pytest.skip("gcsfs is installed")


def test_an_s3_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real client against a real server, through worker processes; unchanged objects are not read again."""
    pytest.importorskip("s3fs", reason="the S3 client is an optional extra")
    server = pytest.importorskip("moto.server", reason="moto's S3 server is a development dependency")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    settings = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
    for name, value in (settings | {"DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    fsspec.config.conf.pop("s3", None)
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("books")
    rows = "\n".join(json.dumps({"text": f"Row {i}"}) for i in range(3))
    store.pipe("books/deep/rows.jsonl", rows.encode())
    with store.open("books/table.parquet", "wb") as file:
        pq.write_table(pa.table({"text": ["One", "Row 1"]}), file)

    params = check(Collect, {"sources": [source("s3://books/")]}, "collect")
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        out.mkdir()
        collect(params, out, tmp_path / "parts")
    table = pq.read_table(outs[0] / "documents.parquet")
    assert sorted(table["text"].to_pylist()) == ["One", "Row 0", "Row 1", "Row 2"]
    assert "s3://books/deep/rows.jsonl#2" in table["uri"].to_pylist()
    assert (outs[0] / "documents.parquet").read_bytes() == (outs[1] / "documents.parquet").read_bytes()
    assert len(list((tmp_path / "parts").iterdir())) == 2
    before = stamp("s3://books/table.parquet")
    store.rm("books/deep/rows.jsonl")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    running.stop()
    assert before is not None


def test_a_file_changed_in_place_with_its_old_time_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    stamps = set()
    for text in ("one", "two"):
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        stamps.add(stamp(str(path)))
        time.sleep(0.02)  # more than a tick of the file system's clock
    assert None not in stamps
    assert len(stamps) == 2
