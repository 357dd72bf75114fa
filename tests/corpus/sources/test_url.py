from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gptmill.corpus.sources import url
from gptmill.errors import UserError
from gptmill.params.collect import Url

BODY = b'{"text": "from the web"}\n' * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path == "/hang/a.jsonl":
            threading.Event().wait(2)
        self.send_response(404 if "none" in self.path else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: 500 if "short" in self.path else None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    Handler.requests = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def source(address: str, sha256: str = SHA256) -> Url:
    return Url(name="web", kind="url", url=address, sha256=sha256, licence="MIT")


def test_downloads_once(server: str) -> None:
    for _ in range(2):
        (unit,) = url.url_units(source(f"{server}/d/a.jsonl?x=1"), 0)
    assert (unit.uri, unit.group) == (f"{server}/d/a.jsonl?x=1", "a")
    assert Path(unit.path).read_bytes() == BODY
    assert Handler.requests == ["/d/a.jsonl?x=1"]
    Path(unit.path).write_bytes(b"altered")
    url.url_units(source(f"{server}/d/a.jsonl?x=1"), 0)
    assert Path(unit.path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "sha256", "said"),
    [
        ("a.jsonl", "0" * 64, f"expected {'0' * 64}, found {SHA256}"),
        ("none.jsonl", SHA256, "the server answered 404"),
        ("short.jsonl", SHA256, "closed the connection|IncompleteRead"),
        ("hang/a.jsonl", SHA256, "nothing came"),
        ("a.zip", SHA256, 'cannot tell how to read "a.zip"'),
    ],
)
def test_failures_are_messages_and_nothing_is_kept(
    server: str, monkeypatch: pytest.MonkeyPatch, path: str, sha256: str, said: str
) -> None:
    monkeypatch.setattr(url, "TIMEOUT", 0.3)
    with pytest.raises(UserError, match=said):
        url.url_units(source(f"{server}/{path}", sha256), 0)
    assert [path for path in Path(".gptmill").rglob("*") if path.is_file()] == []


def test_no_server() -> None:
    with pytest.raises(UserError, match=r"cannot download: .*refused"):
        url.url_units(source("http://127.0.0.1:9/a.txt"), 0)


def test_no_url() -> None:
    with pytest.raises(UserError, match="not a URL: Invalid IPv6 URL"):
        url.url_units(source("http://[::1/a.txt"), 0)
