"""Datasets on the Hugging Face hub, by name and revision, read with the readers of `files`."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from gptmill.corpus.sources.files import READERS, file_format
from gptmill.corpus.sources.folders import ALLOWED, make_unit, quoted
from gptmill.corpus.sources.units import Unit
from gptmill.errors import UserError
from gptmill.params.collect import HuggingFace

COMMIT = re.compile(r"[0-9a-f]{40}")


def huggingface_units(source: HuggingFace, rank: int) -> tuple[list[Unit], int]:
    """One unit for each readable file of the dataset that `files` matches; the number of other files.

    Downloads into the hub client's own cache what is not there, and honours its environment
    (HF_HOME, HF_TOKEN, HF_HUB_OFFLINE). The commit is in each document's uri.

    Raises:
        UserError: without the client, when the dataset can't be had, or when no file can be read.
    """
    where = f'collect.sources "{source.name}": dataset {source.dataset} at {source.revision}'
    if not COMMIT.fullmatch(source.revision):
        raise UserError(f"{where}: {_unpinned(source)}")
    folder = snapshot(source, where)
    # The hub's own rule: "*" also stands for "/", and "data/" for all that is below.
    pattern = source.files + "*" if source.files.endswith("/") else source.files
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    matched = [path for path in files if fnmatchcase(path.relative_to(folder).as_posix(), pattern)]
    readable = [path for path in matched if file_format(path.name) in READERS]
    if not readable:
        raise UserError(f"{where}: no file that can be read matches {source.files}. Allowed: {ALLOWED}.")
    base = f"hf://datasets/{source.dataset}@{folder.name}"
    units = [
        make_unit(source, rank, path, f"{base}/{quoted(path.relative_to(folder))}", source.dataset)
        for path in readable
    ]
    return units, len(matched) - len(readable)


def _unpinned(source: HuggingFace) -> str:
    """Why a branch or a tag won't do, and what commit it stands for now, where the hub or its cache says."""
    message = "a revision must be a full commit hash (40 hex digits), for branches and tags move. "
    try:
        from huggingface_hub import HfApi, snapshot_download

        try:
            now = HfApi().dataset_info(source.dataset, revision=source.revision, timeout=10).sha
        except Exception:  # offline, or refused: what the cache saw last
            folder = snapshot_download(
                source.dataset, repo_type="dataset", revision=source.revision, local_files_only=True
            )
            return f"{message}When it was last fetched here, {source.revision} was {Path(folder).name}."
    except Exception:  # neither knows: the message stands by itself
        return f"{message}The dataset's page on the hub shows it under Files, History."
    return f"{message}{source.revision} is {now} now: give that, if it is what you want."


def snapshot(source: HuggingFace, where: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise UserError(
            f"{where}: sources of kind huggingface need the hub's client: `pip install gptmill[huggingface]`"
        ) from None
    try:
        folder = snapshot_download(
            source.dataset, repo_type="dataset", revision=source.revision, allow_patterns=source.files
        )
    except RevisionNotFoundError:
        raise UserError(f"{where}: the dataset has no such commit.") from None
    except RepositoryNotFoundError:
        raise UserError(f"{where}: no such dataset, or a private one: for that, set HF_TOKEN.") from None
    except LocalEntryNotFoundError:
        raise UserError(
            f"{where}: it is not in the hub's cache, and the hub cannot be reached (or HF_HUB_OFFLINE "
            "is set). Connect, or fetch it where there is a network and copy the cache."
        ) from None
    except (HFValidationError, HfHubHTTPError) as error:
        raise UserError(f"{where}: the hub refused: {str(error).strip().splitlines()[0]}") from None
    return Path(folder)
