from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.units import Text, Unit, Unreadable

pytest.importorskip("resiliparse", reason="Resiliparse is an optional extra")

PAGE = "<html><head><title>T</title>{head}</head><body><nav><a href='/'>Home</a></nav><p>Grüße aus Köln.</p></body>"
TYPE = b"Content-Type: application/http; msgtype=response\r\n"


def unit(path: Path, **options: object) -> Unit:
    return Unit("s", 0, "files", str(path), f"file:{path.name}", path.stem, "MIT", **options)  # type: ignore[arg-type]


def record(kind: bytes, url: bytes, body: bytes, headers: bytes = b"") -> bytes:
    head = b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nContent-Length: %d\r\n%s\r\n"
    return head % (kind, url, len(body), headers) + body + b"\r\n\r\n"


def response(url: bytes, status: bytes, kind: bytes, body: bytes) -> bytes:
    http = b"HTTP/1.1 %s\r\nContent-Type: %s\r\n\r\n" % (status, kind)
    return record(b"response", url, http + body, TYPE)


RECORDS = [
    record(b"warcinfo", b"x", b"software: a crawler"),
    response(
        b"http://a.org/1", b"200 OK", b"text/html; charset=latin-1", PAGE.format(head="").encode("latin-1")
    ),
    response(b"http://a.org/2", b"200 OK", b"image/png", b"\x89PNG"),
    response(b"http://a.org/3", b"404 Not Found", b"text/html", b"<p>Not here.</p>"),
    record(b"conversion", b"http://b.org/4", b"Plain text.", b"Content-Type: text/plain\r\n"),
]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (PAGE.format(head="").encode(), "utf-8"),
        (PAGE.format(head="<meta charset=iso-8859-1>").encode("latin-1"), "cp1252"),
        (PAGE.format(head="<meta charset=no-such-thing>").encode(), "utf-8"),
    ],
)
def test_a_page_is_its_main_text(tmp_path: Path, data: bytes, encoding: str) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(data)
    (text,) = read_file(unit(path))
    assert text == Text("Grüße aus Köln.", "", {"encoding": encoding})


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.warc.wet.gz"])
def test_records_that_hold_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"".join(gzip.compress(r) if name.endswith("gz") else r for r in RECORDS))
    texts = list(read_file(unit(path)))
    assert [text.text for text in texts] == ["Grüße aus Köln.", "", "", "Plain text."]
    assert [text.fragment for text in texts] == ["1", "2", "3", "4"]
    assert texts[0].meta == {"encoding": "latin-1", "url": "http://a.org/1", "group": "a.org"}
    assert texts[3].meta["group"] == "b.org"


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    whole = b"".join(RECORDS)
    for cut in (1, 5, 20, len(RECORDS[-1]) + 1):
        path.write_bytes(whole[:-cut])
        with pytest.raises(Unreadable, match=r"truncated|broken"):
            list(read_file(unit(path)))
    path.write_bytes(b"no archive at all" * 100)
    with pytest.raises(Unreadable, match="broken after record 0"):
        list(read_file(unit(path)))
    packed = tmp_path / "a.warc.gz"
    packed.write_bytes(gzip.compress(whole)[:-30])
    with pytest.raises(Unreadable, match="truncated"):
        list(read_file(unit(packed)))


def test_a_page_too_large_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(RECORDS))
    with pytest.raises(Unreadable, match=r"record 1 holds more than 20 bytes; raise collect\.max_text_bytes"):
        list(read_file(unit(path, max_bytes=20)))


def test_deep_nesting_does_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<div>" * 2_000 + "deep" + "</div>" * 2_000)
    assert [text.text for text in read_file(unit(path))] == ["deep"]
