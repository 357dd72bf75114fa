"""Object stores and other places that fsspec knows (`s3://`, `gs://`), beside local paths.

Credentials and endpoints are the clients' own affair: AWS_PROFILE, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS, HF_TOKEN and so on; nothing of them is a parameter.
"""

from __future__ import annotations

import glob
import hashlib
import time
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gptmill.errors import UserError

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "hf": "huggingface"}


def is_url(path: str) -> bool:
    """Is `path` in a store, rather than on a disk of this machine?"""
    return "://" in path


def opened(path: str) -> BinaryIO:
    """`path` opened for reading bytes."""
    if not is_url(path):
        return Path(path).open("rb")
    import fsspec

    file: BinaryIO = fsspec.open(path, "rb").open()
    return file


def stored_files(url: str, where: str) -> tuple[str, list[str]]:
    """The files that a URL means: itself, all below it, or what matches its wildcards.

    Returns:
        The part that all share, ending where their names begin, and the files' URLs, sorted.

    Raises:
        UserError: when the store's client is not installed, the store refuses, or there is no such file.
    """
    protocol = url.split("://", 1)[0]
    if protocol in ("file", "local"):
        raise UserError(f"{where}: give a local path as such, without {protocol}://")
    store = _store(url, where, protocol)
    path = store._strip_protocol(url)
    try:
        if glob.has_magic(path):
            found = [name for name, info in store.glob(path, detail=True).items() if info["type"] == "file"]
            root = _fixed_prefix(path)
        elif store.isfile(path):
            found, root = [path], str(PurePosixPath(path).parent)
        else:
            found, root = store.find(path), path.rstrip("/")
    except Exception as error:  # each client has exceptions of its own
        raise UserError(f"{where}: the store refused: {_said(error)}") from None
    visible = [name for name in found if not _hidden(name.removeprefix(root))]
    if not visible:
        raise UserError(f"{where}: no file is there or matches. Folders at any depth are `**`.")
    return f"{protocol}://{root.lstrip('/')}/", sorted(f"{protocol}://{n.lstrip('/')}" for n in visible)


def stamp(path: str) -> str | None:
    """What tells this version of a file from others, without reading it; None where that is not safe.

    On a disk: device, inode, size and the times of the last change of its content and of anything about it,
    as Git does; not for a file so fresh that a second change could fall into the same tick of the clock. In a
    store: what it says of the object, its ETag among that.
    """
    if is_url(path):
        import fsspec

        store, inner = fsspec.core.url_to_fs(path)
        info = store.info(inner)
        version = [
            str(info[key]) for key in ("ETag", "etag", "md5Hash", "blob_id", "sha256") if info.get(key)
        ]
        return f"{path} {info.get('size')} {version}" if version else None
    status = Path(path).stat()
    if abs(time.time() - status.st_mtime) < 2:
        return None
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return f"{Path(path).absolute()} {numbers}"


def digest(*parts: str) -> str:
    """One name for all of `parts`."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _store(url: str, where: str, protocol: str) -> Any:
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)[0]
    except ImportError:
        extra = EXTRAS.get(protocol)
        remedy = f"`pip install gptmill[{extra}]`" if extra else "install fsspec's client for it"
        raise UserError(f"{where}: {protocol}:// needs a client that is not installed: {remedy}") from None
    except ValueError:
        raise UserError(
            f"{where}: no store is known as {protocol}://. Known are such as s3:// and gs://"
        ) from None


def _fixed_prefix(pattern: str) -> str:
    parts = PurePosixPath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return str(PurePosixPath(*parts[:fixed]))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
