"""Files by their MD5, from DVC's cache or its remote: what a model version was made from, in any clone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gptmill.errors import UserError

DOCUMENTS = "documents.parquet"


def cached_documents(root: Path, made_from: dict[str, str]) -> Path:
    """The documents.parquet that a package was made from.

    Args:
        made_from: path → MD5, as facts.json records it.

    Raises:
        UserError: when it is neither in the cache nor on the remote.
    """
    for path, md5 in made_from.items():
        if path == "data/dedupe":
            return cached_file(root, md5, DOCUMENTS)
        if path == f"data/dedupe/{DOCUMENTS}":
            return cached_file(root, md5)
    raise UserError("the version doesn't say which documents it was made from: no gptmill registered it")


def cached_file(root: Path, md5: str, member: str | None = None) -> Path:
    """The file with this MD5, or the file `member` of the folder with it; only to be read.

    Raises:
        UserError: when it is neither in the cache nor on the remote.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            if member is None:
                return _fetch(repo, md5)
            listing = json.loads(_fetch(repo, md5).read_text(encoding="utf-8"))
            md5 = next(entry["md5"] for entry in listing if entry["relpath"] == member)
            return _fetch(repo, md5)
    except (DvcException, StopIteration, OSError) as error:
        raise UserError(
            f"{member or 'a file'} (MD5 {md5}) is neither in DVC's cache nor on its remote ({error}). "
            "Run `dvc push` where the model was made, and `dvc remote list` here."
        ) from None


def _fetch(repo: Any, md5: str) -> Path:
    """The cache's file, after asking the remote for it if need be."""
    from dvc_data.hashfile.hash_info import HashInfo

    path = Path(repo.cache.local.oid_to_path(md5))
    if not path.is_file():
        repo.cloud.pull([HashInfo("md5", md5)])
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name}")
    return path
