"""One file behind http(s), pinned by its SHA-256 and kept in `.gptmill/downloads`."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from gptmill.corpus.sources.files import READERS, file_format
from gptmill.corpus.sources.folders import ALLOWED, make_unit, stem
from gptmill.corpus.sources.units import Unit
from gptmill.errors import UserError
from gptmill.params.collect import Url

DOWNLOADS = Path(".gptmill/downloads")
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 20


def url_units(source: Url, rank: int) -> list[Unit]:
    """The unit of the file, downloaded unless it is there already.

    Raises:
        UserError: when the file cannot be had, has another hash, or has a suffix that we cannot read.
    """
    where = f'collect.sources "{source.name}": {source.url}'
    try:
        name = PurePosixPath(unquote(urlsplit(source.url).path)).name
    except ValueError as error:
        raise UserError(f"{where}: not a URL: {error}. Mend `url`.") from None
    if file_format(name) not in READERS:
        raise UserError(f'{where}: cannot tell how to read "{name}". Allowed: {ALLOWED}.')
    path = DOWNLOADS / source.sha256 / name
    if not path.is_file() or _sha256(path) != source.sha256:
        _download(source, path, where)
    return [make_unit(source, rank, path, source.url.replace("#", "%23"), stem(name))]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(source: Url, path: Path, where: str) -> None:
    """Fetch to a sibling and rename, so that `path` is there whole and right or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        found = _fetch(source.url, partial, where)
        if found != source.sha256:
            raise UserError(
                f"{where}: the checksum differs. SHA-256 expected {source.sha256}, found {found}. "
                "Nothing was kept: if the file has changed on purpose, give its new hash as `sha256`."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _fetch(url: str, path: Path, where: str) -> str:
    """Write the response's body to `path` and return its SHA-256."""
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "gptmill"})
    with path.open("wb") as file:
        for chunk in _body(request, where):
            digest.update(chunk)
            file.write(chunk)  # outside _body's try: a full disk is no network error
    return digest.hexdigest()


def _body(request: urllib.request.Request, where: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            while chunk := response.read(CHUNK):
                yield chunk
            if response.length:
                raise UserError(
                    f"{where}: the server closed the connection {response.length} bytes early; try again."
                )
    except urllib.error.HTTPError as error:
        raise UserError(f"{where}: the server answered {error.code} {error.reason}.") from None
    except TimeoutError:
        raise UserError(f"{where}: nothing came for {TIMEOUT:.0f} seconds; try again.") from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(f"{where}: cannot download: {reason}") from None
