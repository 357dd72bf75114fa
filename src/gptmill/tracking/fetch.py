"""A registered model as a package of ours, without running any code from the registry."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING

from gptmill.errors import UserError, nearest
from gptmill.tracking.client import connect, default_uri, has_store, reason
from gptmill.tracking.package import Package

if TYPE_CHECKING:
    from mlflow import MlflowClient


def load_registered(model: str, uri: str | None = None) -> Package:
    """The package behind `models:/<name>@<alias>` or `models:/<name>/<version>`.

    Raises:
        UserError: when the server can't be reached, or has no such model.
    """
    uri = uri or default_uri()
    if not has_store(uri):
        raise UserError(f"{model}: nothing is registered yet, {uri} does not exist.")
    try:
        client = connect(uri)
        name, number = _find_version(client, model)
        from mlflow.artifacts import download_artifacts

        with tempfile.TemporaryDirectory() as scratch:
            source = f"{client.get_model_version_download_uri(name, number)}/artifacts/package"
            local = source.startswith(("file:", "/"))
            folder = download_artifacts(
                artifact_uri=source, tracking_uri=uri, dst_path=None if local else scratch
            )
            return Package.load(folder)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model} could not be read from {uri}: {reason(error)}.") from error


def _find_version(client: MlflowClient, model: str) -> tuple[str, str]:
    """Name and number of the version that `model` means."""
    parts = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", model)
    if parts is None:
        raise UserError(f"{model} is no model: write models:/<name>@<alias> or models:/<name>/<version>.")
    name, alias, number = parts.groups()
    names = {found.name for found in client.search_registered_models(max_results=1000)}
    if name not in names:
        known = f"Registered are: {', '.join(sorted(names))}." if names else "Nothing is registered yet."
        raise UserError(f'{model}: no registered model "{name}"{nearest(name, names)}. {known}')
    if alias is not None:
        aliases = client.get_registered_model(name).aliases
        if alias not in aliases:
            known = ", ".join(sorted(aliases)) or "none"
            raise UserError(f'{model}: no alias "{alias}"{nearest(alias, aliases)}. {name} has: {known}.')
        return name, str(aliases[alias])
    versions = {
        str(found.version) for found in client.search_model_versions(f"name = '{name}'", max_results=1000)
    }
    if number not in versions:
        raise UserError(f"{model}: no such version. {name} has: {', '.join(sorted(versions, key=int))}.")
    return name, str(number)
