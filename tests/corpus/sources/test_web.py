from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
import zstandard

from gptmill.corpus.sources import compression
from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.reading import read_result, read_unit
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


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc.zst", "a.warc"])
def test_many_members(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of their own gzip members, as crawlers write them, and one Zstandard frame of large blocks."""
    monkeypatch.setattr(compression, "PIECE", 256)
    noise = random.Random(0)
    bodies = [" ".join(map(str, noise.choices(range(9**9), k=noise.randint(1, 300)))) for _ in range(50)]
    bodies.append(" ".join(map(str, range(20_000))))  # longer than any buffer
    records = [response(b"http://a.org", b"200 OK", b"text/plain", body.encode("ascii")) for body in bodies]
    whole = b"".join(records)
    pack = {".gz": lambda: b"".join(map(gzip.compress, records)), ".zst": lambda: zstandard.compress(whole)}
    path = tmp_path / name
    path.write_bytes(pack.get(path.suffix, lambda: whole)())
    assert [text.text for text in read_file(unit(path))] == bodies


def test_a_broken_record_is_counted_and_the_next_ones_are_read(tmp_path: Path) -> None:
    page = b"<p>A page.</p>"
    bomb = gzip.compress(bytes(20 << 20))
    codings = [
        (b"Content-Encoding: gzip", gzip.compress(page)),
        (b"Content-Encoding: br", b"not so"),
        (b"Content-Encoding: gzip", b"not so"),
        (b"Transfer-Encoding: chunked", b"not so"),
        (b"Content-Encoding: gzip", bomb),
        (b"X-Size: large", page * 9000),
        (b"X: y", page),
    ]
    path, part = tmp_path / "a.warc", tmp_path / "part"
    path.write_bytes(
        b"".join(response(b"http://a.org", b"200 OK", b"Text/HTML\r\n" + c, b) for c, b in codings)
    )
    texts = list(read_file(unit(path, max_bytes=100_000)))
    assert [text.text for text in texts] == ["A page.", "", "", "", "", "", "A page."]
    assert [bool(text.broken) for text in texts] == [False, True, True, True, True, True, False]
    assert "collect.max_text_bytes" in texts[5].broken
    assert "more than 16,777,216" in list(read_file(unit(path)))[4].broken  # by collect.max_ratio
    result = read_unit(unit(path, max_bytes=100_000), part)
    assert (result["read"], result["empty"], result["broken"], result["error"]) == (2, 0, 5, None)
    assert result["skipped"].startswith("record 2: ")
    assert read_result(part) == result


def test_an_archive_that_ends_after_headers_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    whole = b"".join(RECORDS[:2])
    path.write_bytes(whole[: whole.rindex(b"\r\n\r\n", 0, -4) + 4])
    with pytest.raises(Unreadable, match="truncated: it ends within record 1"):
        list(read_file(unit(path)))


def test_deep_nesting_does_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<div>" * 2_000 + "deep" + "</div>" * 2_000)
    assert [text.text for text in read_file(unit(path))] == ["deep"]
