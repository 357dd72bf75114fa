"""A real server process: right answers to many at once, limits, a log, and an orderly end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from gptmill.errors import UserError
from gptmill.models import build_model, save_model
from gptmill.serving.app import make_app
from gptmill.serving.log import RequestLog, read_log
from gptmill.serving.model import Limits, Served
from gptmill.tokens.tokenizer import train_tokenizer
from gptmill.tracking.client import connect
from gptmill.tracking.package import Package
from gptmill.tracking.pyfunc import save_pyfunc

MODEL = "models:/gptmill@champion"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one tiny model, and the model's package."""
    folder = tmp_path_factory.mktemp("serving")
    package = folder / "package"
    package.mkdir()
    texts = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    (package / "tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    save_model(build_model("gpt1", vocab_size=300, block_size=32, n_layer=2, n_head=2, n_embd=16), package)
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    save_pyfunc(package, folder / "model")
    client.create_registered_model("gptmill")
    client.create_model_version("gptmill", (folder / "model").as_uri())
    client.set_registered_model_alias("gptmill", "champion", "1")
    return folder


@dataclass
class Running:
    url: str
    process: subprocess.Popen[str]
    log: Path

    def post(self, path: str, body: Any) -> tuple[int, str, str]:
        """Status, text and the request's id."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers["x-request-id"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), ""

    def ask(self, *prompts: str, **params: Any) -> tuple[int, str, str]:
        return self.post("/invocations", {"inputs": list(prompts), "params": params})


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from gptmill.cli import main; main()", "serve", "--port", str(port)]
    command += ["--max-new-tokens", "40", "--max-prompt-tokens", "50", "--max-prompts", "3"]
    command += ["--max-body-bytes", "10000", "--log", str(folder / "log"), "--at-once", "4"]
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    with (folder / "server.log").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
    try:
        yield Running(url, process, folder / "log")
    finally:
        process.kill()
        process.wait(timeout=30)


def test_many_at_once_get_what_each_would_get_alone(server: Running, folder: Path) -> None:
    package = Package.load(folder / "package")
    asked = [(f"The array number {i}", {"max_new_tokens": 30, "seed": i}) for i in range(24)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: server.ask(one[0], **one[1]), asked))
    for (prompt, settings), (status, text, _) in zip(asked, answers, strict=True):
        assert status == 200, text
        assert json.loads(text) == {"predictions": [package.complete(prompt, **settings)]}
    assert len({name for _, _, name in answers}) == 24


@pytest.mark.parametrize(
    ("prompts", "params", "message"),
    [
        (["a"] * 4, {}, "4 prompts in one request; at most 3 are allowed"),
        (["a"], {"max_new_tokens": 41}, "max_new_tokens = 41; at most 40 are allowed"),
        (["a", "x y " * 40], {}, "prompt 2 has .* tokens; at most 50 are allowed"),
        (["a"], {"temperature": -1.0}, "temperature = -1.0 is not possible"),
        (["a"], {"top_k": "many"}, "top_k"),
    ],
)
def test_limits(server: Running, prompts: list[str], params: dict[str, Any], message: str) -> None:
    import re

    status, text, _ = server.ask(*prompts, **params)
    assert status == 400
    assert re.search(message, text), text
    assert "Traceback" not in text


def test_a_large_request_is_not_read(server: Running) -> None:
    assert server.post("/invocations", b"x" * 20_000)[0] == 413
    assert server.post("/invocations", b"{")[0] == 400
    assert server.ask("a")[0] == 200, "without a number of tokens it is at most what is allowed"


def test_the_log_survives_an_orderly_end(server: Running, folder: Path) -> None:
    status, _, name = server.ask("write to bob@example.org", max_new_tokens=2, seed=9)
    assert status == 200
    assert server.post("/feedback", {"id": name, "feedback": 0.0})[0] == 204
    assert server.post("/feedback", {"id": name, "feedback": 1.0})[0] == 204
    assert server.post("/feedback", {"id": name, "feedback": "good"})[0] == 422
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=30)
    rows = read_log(server.log).to_pylist()
    assert len(rows) >= 26
    (row,) = [row for row in rows if row["id"] == name]
    assert row["prompt"] == "write to [EMAIL]"
    assert row["feedback"] == 1.0
    assert (row["model"], row["new_tokens"]) == ("gptmill/1", 2)
    assert "Traceback" not in (folder / "server.log").read_text()


def test_time_is_limited(folder: Path) -> None:
    package = Package.load(folder / "package")
    table = pd.DataFrame({0: ["The array"]})
    with pytest.raises(MlflowException, match=r"not finished within 0\.05 s") as error:
        Served(package, Limits(seconds=0.05, new_tokens=10**6), 1).predict(table, {"max_new_tokens": 10**6})
    assert error.value.get_http_status_code() == 503
    busy = Served(package, Limits(seconds=0.05), 1)
    with busy._turn(time.monotonic() + 1), pytest.raises(MlflowException, match="not finished"):
        busy.predict(table)
    assert busy.predict(table, {"max_new_tokens": 0}) == ["The array"], "its turn was given back"


def test_another_signature_is_a_message(folder: Path, tmp_path: Path) -> None:
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema

    code = tmp_path / "code.py"
    code.write_text(
        "import mlflow\nclass M(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None): return model_input\n"
        "mlflow.models.set_model(M())\n"
    )
    numbers = Schema([ColSpec("double")])
    save_model(
        tmp_path / "model", python_model=str(code), signature=ModelSignature(numbers, numbers),
        pip_requirements=[],
    )  # fmt: skip
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = connect(uri)
    client.create_registered_model("numbers")
    client.create_model_version("numbers", (tmp_path / "model").as_uri())
    with pytest.raises(
        UserError, match=r'numbers version 1 is no model of gptmill\'s: it has inputs .*"double"'
    ):
        make_app("models:/numbers/1", uri, Limits(), 1)


def test_a_full_log_is_a_file(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "log", "gptmill/1")
    for i in range(101):
        log.add(str(i), f"prompt {i % 2}", 2, 3, 1.5)
    (file,) = (tmp_path / "log").glob("*.parquet")
    assert file.name.startswith("requests-")
    log.flush()
    found = read_log(tmp_path / "log")
    assert found.num_rows == 101
    assert len(set(found["prompt_hash"].to_pylist())) == 2
    with pytest.raises(UserError, match="holds no log of requests"):
        read_log(tmp_path / "none")
