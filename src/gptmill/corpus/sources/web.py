"""Web pages: HTML files and WARC archives, their text extracted by Resiliparse.

Main content only: headers, menus and footers of pages are left out by Resiliparse's rules, as in DCLM
(Li et al. 2024, arXiv:2406.11794, section 3.2), which found text so extracted to train models as good as
Trafilatura's does, at an eighth of the time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from gptmill.corpus.sources.compression import UNSUSPICIOUS, read_chunks, read_whole
from gptmill.corpus.sources.encodings import decode
from gptmill.corpus.sources.units import Text, Unit, Unreadable

PAGES = ("text/html", "application/xhtml+xml")
END = b"\r\n\r\n"  # of every record
MISSING = "HTML and WARC files need Resiliparse: `pip install gptmill[web]`."


def read_html(unit: Unit) -> Iterator[Text]:
    """The text of one page.

    Raises:
        Unreadable: when the page is too large, in no known encoding, or Resiliparse is not installed.
    """
    try:
        import resiliparse  # noqa: F401
    except ImportError:
        raise Unreadable(MISSING) from None
    data = read_whole(read_chunks(unit.path, unit.max_ratio), unit.max_bytes)
    html, encoding = _decoded(data, unit.encoding or _charset(data))
    yield Text(_extract(html), "", {"encoding": encoding})


def read_warc(unit: Unit) -> Iterator[Text]:
    """The text of each page of a WARC file, and of each text of a WET file, by the record's number.

    Every other record (a request, a picture, a redirect, an error page) holds no text: it is empty. A page
    that isn't packed as its headers say, or is too large, is broken: that is common, and the next one is sound.

    Raises:
        Unreadable: when the archive is broken or truncated, or its reader is not installed.
    """
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ImportError:
        raise Unreadable(MISSING) from None
    stream = _Stream(read_chunks(unit.path, unit.max_ratio))
    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    number = 0
    try:
        for record in ArchiveIterator(stream, record_types=kinds, parse_http=False, stream_detect=False):
            number += 1
            data = record.reader.read(unit.max_bytes)
            if len(data) < min(record.content_length, unit.max_bytes):
                raise Unreadable(f"truncated: it ends within record {number}")
            yield _text(record, data, number, unit)
    except OSError as error:
        raise Unreadable(f"broken after record {number}: {error}") from None
    if stream.tail != END:
        raise Unreadable(f"truncated: it ends within a record, after record {number} or within it")


class _Stream(io.RawIOBase):
    """Chunks as a file to read from, which knows the last bytes read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.rest = b""
        self.tail = b""
        self.position = 0

    def tell(self) -> int:
        return self.position

    def read(self, size: int | None = -1) -> bytes:
        if not self.rest:
            self.rest = next(filter(None, self.chunks), b"")  # an empty chunk is not the end
        data = self.rest if size is None or size < 0 else self.rest[:size]
        self.rest = self.rest[len(data) :]
        self.position += len(data)
        self.tail = (self.tail + data)[-len(END) :]
        return data


def _text(record: Any, data: bytes, number: int, unit: Unit) -> Text:
    """The text of one record, of which `data` is the beginning; a broken one if it can't be unpacked."""
    from fastwarc.warc import WarcRecord

    # In a record of its own, for one that fails while it is unpacked takes the archive's reader along.
    page = WarcRecord()
    page.set_bytes_content(data)
    page.is_http = record.is_http
    try:
        page.parse_http(auto_decode="all")
        return _page_text(page, record.headers, record.content_length, number, unit)
    except (OSError, Unreadable) as error:
        return Text("", str(number), broken=f"record {number}: {error}")


def _page_text(page: Any, headers: Any, size: int, number: int, unit: Unit) -> Text:
    """The text of a page or a text of `size` bytes as stored; of any other record an empty one."""
    kind = (page.http_content_type or headers.get("Content-Type", "").split(";")[0]).strip().lower()
    failed = page.http_headers is not None and page.http_headers.status_code != 200
    if failed or kind not in (*PAGES, "text/plain"):
        return Text("", str(number))
    limit = int(min(unit.max_bytes, max(unit.max_ratio * size, UNSUSPICIOUS)))
    data = page.reader.read(limit + 1)
    if size > unit.max_bytes or len(data) > limit:
        raise Unreadable(
            f"its {size:,} bytes are, or unpack to, more than {limit:,}. If it is sound, raise "
            "collect.max_text_bytes or collect.max_ratio."
        )
    html, encoding = _decoded(data, page.http_charset or (_charset(data) if kind in PAGES else ""))
    text = _extract(html) if kind in PAGES else html
    url = headers.get("WARC-Target-URI", "").strip("<>")
    meta = {"encoding": encoding, "url": url, "group": _host(url)}
    return Text(text, str(number), {name: value for name, value in meta.items() if value})


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _charset(data: bytes) -> str:
    """The encoding that a page names in its head, or nothing."""
    from resiliparse.parse.encoding import detect_encoding

    marked = b"charset" in data[:1024].lower()
    return str(detect_encoding(data[:1024], from_html_meta=True)) if marked else ""


def _decoded(data: bytes, encoding: str) -> tuple[str, str]:
    """A page's text and encoding; a wrong or an unknown name for it is the web's daily bread."""
    try:
        found = decode(data, encoding)
        return found.text, found.encoding
    except (Unreadable, LookupError, ValueError):
        return data.decode("utf-8", "replace"), "utf-8"


def _extract(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(html, main_content=True, alt_texts=False))
