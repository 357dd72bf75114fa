"""The files of a `files` source: one file, the files below a folder, or those that a glob matches."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

from gptmill.corpus.sources.compression import COMPRESSIONS
from gptmill.corpus.sources.files import READERS, file_format
from gptmill.corpus.sources.stores import is_url, stored_files
from gptmill.corpus.sources.units import Unit
from gptmill.errors import UserError, nearest
from gptmill.params.collect import Files, HuggingFace, Url

ALLOWED = f"{', '.join(READERS)}, each also with {' or '.join(COMPRESSIONS)}"


@dataclass(frozen=True)
class Found:
    """Files to read, by path below `root`, and how many others were passed over."""

    root: Path
    files: list[Path]
    ignored: int


def file_units(source: Files, rank: int) -> tuple[list[Unit], int]:
    """One unit for each readable file, by path below the folder or the glob's fixed prefix; files ignored.

    Raises:
        UserError: when there is no such path, or nothing in it that can be read.
    """
    where = f'collect.sources "{source.name}": path {source.path}'
    if is_url(source.path):
        return _stored_units(source, rank, where)
    found = find_files(source.path, where)
    units = [
        make_unit(source, rank, path, f"file:{quoted(path.relative_to(found.root))}", stem(path.name))
        for path in found.files
    ]
    return units, found.ignored


def _stored_units(source: Files, rank: int, where: str) -> tuple[list[Unit], int]:
    """The units of files in an object store: their URLs are the same on every machine."""
    if source.path.startswith("hf://"):
        raise UserError(
            f"{where}: give a dataset of the hub as a source of kind huggingface, with its commit."
        )
    if source.path.startswith(("http://", "https://")):
        raise UserError(f"{where}: give a file behind http(s) as a source of kind url, with its sha256.")
    root, urls = stored_files(source.path, where)
    readable = [url for url in urls if file_format(url) in READERS]
    if not readable:
        raise UserError(f"{where}: {_none_readable([PurePath(url) for url in urls])}")
    units = [
        make_unit(
            source, rank, url, root + quoted(PurePath(url.removeprefix(root))), stem(PurePath(url).name)
        )
        for url in readable
    ]
    return units, len(urls) - len(readable)


def make_unit(source: Files | HuggingFace | Url, rank: int, path: Path | str, uri: str, group: str) -> Unit:
    """A unit with the options of `source`."""
    return Unit(
        source=source.name,
        rank=rank,
        kind=source.kind,
        path=str(path),
        uri=uri,
        group=group,
        licence=source.licence,
        text_column=source.text_column,
        encoding=getattr(source, "encoding", None) or "",
        max_chars=source.max_chars,
    )


def find_files(path: str, where: str) -> Found:
    """The readable files that `path` means; `where` begins the messages."""
    here = Path(path)
    if here.is_file():
        root, candidates = here.parent, [here]
    elif here.is_dir():
        root, candidates = here, _below(here)
        if not candidates:
            raise UserError(
                f"{where}: no file is in the folder (hidden ones are left out, and links to folders aren't "
                f"followed). Put {ALLOWED} into it or name another."
            )
    elif glob.has_magic(path):
        root = _fixed_prefix(path)
        candidates = [Path(match) for match in glob.glob(path, recursive=True) if Path(match).is_file()]  # noqa: PTH207
        if "**" in path:  # which follows links to folders, in a loop forty times
            candidates = [match for match in candidates if not _linked(match, root)]
        if not candidates:
            raise UserError(
                f"{where}: no file matches, seen from {Path.cwd()}. Folders at any depth are `**`."
            )
    else:
        raise UserError(f"{where}: no such path, seen from {Path.cwd()}{_nearest_sibling(here)}")
    files = sorted((file for file in candidates if file_format(file.name) in READERS), key=lambda f: f.parts)
    if not files:
        raise UserError(f"{where}: {_none_readable(candidates)}")
    if special := [file for file in files if _is_special(file)]:
        raise UserError(
            f"{where}: {special[0]} is a pipe, a socket or a device, not a file to be read. Move it away."
        )
    return Found(root, files, len(candidates) - len(files))


def _none_readable(files: Sequence[PurePath]) -> str:
    suffixes = Counter("".join(file.suffixes[-2:]) or "no suffix" for file in files)
    listed = ", ".join(f"{suffix} ({n})" for suffix, n in sorted(suffixes.items())[:10])
    return f"no file that can be read. Suffixes found: {listed}. Allowed: {ALLOWED}."


def _is_special(path: Path) -> bool:
    """Neither a regular file nor a folder: to open a named pipe is to wait for ever."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nothing: whoever reads it says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _linked(file: Path, root: Path) -> bool:
    """Does a folder between `root` and `file` stand there by a link?"""
    return any(
        folder.is_symlink() for folder in file.parents if folder.is_relative_to(root) and folder != root
    )


def _below(folder: Path) -> list[Path]:
    """All files below `folder` except hidden ones; links to folders are not followed."""
    files = []
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return files


def _unreadable(error: OSError) -> None:
    raise UserError(
        f"{error.filename}: the folder can't be read ({error.strerror}); mend that, or move it away"
    )


def _fixed_prefix(pattern: str) -> Path:
    """The folders of a glob before the first part with a wildcard; `.` when that is the first."""
    parts = PurePath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _nearest_sibling(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return nearest(path.name, siblings)


def quoted(path: PurePath) -> str:
    """A relative path as in a URI: forward slashes, other bytes than plain ones in percent form."""
    return quote_from_bytes(os.fsencode(path.as_posix()))


def stem(name: str) -> str:
    """A file's name without the suffixes that say how to read it."""
    path = PurePath(name)
    if path.suffix.lower() in COMPRESSIONS:
        path = path.with_suffix("")
    return os.fsencode(path.stem).decode("utf-8", "replace")
