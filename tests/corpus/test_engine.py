"""One plan, two runners: what a stage writes does not depend on who runs it."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.corpus.engine import start_engine
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.engine import Engine

ROOT = Path(__file__).parents[2]
STAGES = """
import sys
from pathlib import Path
from gptmill.errors import run
from gptmill.params import check, load
from gptmill.params.clean import Clean
from gptmill.params.collect import Collect
from gptmill.params.dedupe import Dedupe
from gptmill.params.engine import Engine

def main():
    runner, texts, out, params = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    from gptmill.corpus.clean import clean
    from gptmill.corpus.collect import collect
    from gptmill.corpus.dedupe import dedupe
    from gptmill.corpus.engine import start_engine
    start_engine(Engine(runner=runner))
    import daft
    assert daft.get_or_infer_runner_type() == runner
    source = {"name": "s", "kind": "files", "path": texts, "licence": "MIT", "sample": 0.9}
    for stage in ("collect", "clean", "dedupe", "reports"):
        (out / stage).mkdir(parents=True)
    collect(check(Collect, {"sources": [source]}, "collect"), out / "collect")
    clean(load("clean", Clean, params), out / "collect", out / "clean")
    dedupe(load("dedupe", Dedupe, params), 1, out / "clean/documents.parquet", out / "dedupe", out / "reports")

run(main)
"""
WORDS = "the of and to a in that have with be is was for on as it by at from this which or".split()  # noqa: SIM905


def write_texts(folder: Path) -> None:
    folder.mkdir()
    chance = random.Random(3)
    for i in range(60):
        words = chance.choices(WORDS, k=60) + [f"{chance.randrange(10**6):x}" for _ in range(20)]
        chance.shuffle(words)
        text = "\n\n".join(" ".join(words[j : j + 20]).capitalize() + "." for j in range(0, 80, 20))
        (folder / f"{i}.txt").write_text(text)
        if i % 9 == 0:
            (folder / f"{i}-copy.txt").write_text(text + " One more sentence.")


def outs_of(runner: str, texts: Path, out: Path) -> dict[str, str]:
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    env = {name: value for name, value in env.items() if not name.startswith("DAFT")}
    command = [sys.executable, "-c", STAGES, runner, str(texts), str(out), str(ROOT / "params.yaml")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_ray_gives_the_bytes_of_the_native_runner(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is an optional extra")
    write_texts(tmp_path / "texts")
    native = outs_of("native", tmp_path / "texts", tmp_path / "native")
    assert len(native) >= 9
    assert outs_of("ray", tmp_path / "texts", tmp_path / "ray") == native


def test_an_address_is_of_a_cluster() -> None:
    with pytest.raises(UserError, match="ray://head:10001 is of a Ray cluster; set runner: ray"):
        check(Engine, {"runner": "native", "address": "ray://head:10001"}, "params.yaml: engine")


def test_an_address_that_ray_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is an optional extra")

    def init(address: str, **_: object) -> None:
        raise ValueError(f"Invalid address format: {address}")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("DAFT_RUNNER", "native")
    with pytest.raises(
        UserError, match=r"engine\.address: Ray can't use garbage: Invalid.*\. Allowed: auto, HOST"
    ):
        start_engine(Engine(runner="ray", address="garbage"))


def test_the_first_choice_of_a_runner_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFT_RUNNER", "ray")
    start_engine()
    assert os.environ["DAFT_RUNNER"] == "ray"
    monkeypatch.delenv("DAFT_RUNNER")
    start_engine(Engine())
    assert os.environ["DAFT_RUNNER"] == "native"
