"""A registered version's files on this machine, without running any code from the registry."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError, nearest
from gptmill.tracking.client import connect, default_uri, has_store, reason
from gptmill.tracking.package import Package
from gptmill.tracking.pyfunc import PACKAGE

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    number: str
    tags: dict[str, str]
    description: str

    def __str__(self) -> str:
        return f"version {self.number}"


def load_registered(model: str, uri: str | None = None) -> Package:
    """The package behind `models:/<name>@<alias>` or `models:/<name>/<version>`.

    Raises:
        UserError: when the server can't be reached, or has no such model.
    """
    uri = uri or default_uri()
    client = open_registry(uri, model)
    with files(client, uri, find(client, model), PACKAGE) as folder:
        return Package.load(folder)


def open_registry(uri: str, model: str) -> MlflowClient:
    """A client for a registry that `model` is asked of.

    Raises:
        UserError: when there is none at `uri`, or it doesn't answer.
    """
    if not has_store(uri):
        raise UserError(f"{model}: nothing is registered yet, {uri} does not exist.")
    try:
        return connect(uri)
    except Exception as error:
        raise UserError(f"{model} could not be read from {uri}: {reason(error)}.") from error


def find(client: MlflowClient, model: str) -> Version:
    """The version that `models:/<name>@<alias>` or `models:/<name>/<version>` means.

    Raises:
        UserError: when there is no such model, alias or version, with those that there are.
    """
    parts = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", model)
    if parts is None:
        raise UserError(f"{model} is no model: write models:/<name>@<alias> or models:/<name>/<version>.")
    name, alias, number = parts.groups()
    names = {found.name for found in client.search_registered_models(max_results=1000)}
    if name not in names:
        known = f"Registered are: {', '.join(sorted(names))}." if names else "Nothing is registered yet."
        raise UserError(f'{model}: no registered model "{name}"{nearest(name, names)} {known}')
    if alias is not None:
        aliases = client.get_registered_model(name).aliases
        if alias not in aliases:
            known = ", ".join(sorted(aliases)) or "none"
            raise UserError(f'{model}: no alias "{alias}"{nearest(alias, aliases)} {name} has: {known}.')
        number = str(aliases[alias])
    versions = {
        str(found.version): found
        for found in client.search_model_versions(f"name = '{name}'", max_results=1000)
    }
    if number not in versions:
        raise UserError(f"{model}: no such version. {name} has: {', '.join(sorted(versions, key=int))}.")
    return as_version(versions[number])


def as_version(found: Any) -> Version:
    """MLflow's version as ours."""
    return Version(found.name, str(found.version), dict(found.tags), found.description or "")


@contextmanager
def files(client: MlflowClient, uri: str, version: Version, part: str = "") -> Iterator[Path]:
    """The version's folder, or `part` of it: where it lies, or a copy for as long as the body runs.

    Raises:
        UserError: when its files are gone, or can't be had.
    """
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as scratch:
        source = client.get_model_version_download_uri(version.name, version.number)
        wanted = f"{source}/{part}".rstrip("/")
        local = source.startswith(("file:", "/"))
        try:
            folder = download_artifacts(
                artifact_uri=wanted, tracking_uri=uri, dst_path=None if local else scratch
            )
        except Exception as error:
            raise UserError(
                f"{version.name} {version}: its files could not be read from {wanted} ({reason(error)}). "
                "If they are gone, `gptmill publish` in a clone that has the model (`dvc pull`) can't put "
                "them back: delete the version, and publish it again."
            ) from error
        yield Path(folder)
