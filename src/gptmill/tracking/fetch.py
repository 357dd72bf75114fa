"""A registered model as a package of ours, without running any code from the registry."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError, nearest
from gptmill.tracking.client import connect, has_store, project_root, reason, tracking_uri
from gptmill.tracking.package import Package

if TYPE_CHECKING:
    from mlflow import MlflowClient


def load_registered(model: str, uri: str | None = None) -> Package:
    """The package behind `models:/<name>@<alias>` or `models:/<name>/<version>`.

    Raises:
        UserError: when the server can't be reached, or has no such model.
    """
    uri = uri or tracking_uri(project_root())
    if not has_store(uri):
        raise UserError(f"{model}: nothing is registered yet, {uri} does not exist.")
    try:
        client = connect(uri)
        version = _find_version(client, model)
        logged = client.get_logged_model(version.model_id)
        from mlflow.artifacts import download_artifacts

        with tempfile.TemporaryDirectory() as scratch:
            source = f"{logged.artifact_location}/artifacts/package"
            local = source.startswith(("file:", "/"))
            folder = download_artifacts(
                artifact_uri=source, tracking_uri=uri, dst_path=None if local else scratch
            )
            return Package.load(folder)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model} could not be read from {uri}: {reason(error)}.") from error


def _find_version(client: MlflowClient, model: str) -> Any:
    parts = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", model)
    if parts is None:
        raise UserError(f"{model} is no model: write models:/<name>@<alias> or models:/<name>/<version>.")
    name, alias, number = parts.groups()
    models = {found.name: found for found in client.search_registered_models(max_results=1000)}
    if name not in models:
        known = f"Registered are: {', '.join(sorted(models))}." if models else "Nothing is registered yet."
        raise UserError(f'{model}: no registered model "{name}"{nearest(name, models)}. {known}')
    if alias is not None:
        aliases = client.get_registered_model(name).aliases
        if alias not in aliases:
            known = ", ".join(sorted(aliases)) or "none"
            raise UserError(
                f'{model}: no alias "{alias}"{nearest(alias, aliases)}. Aliases of {name}: {known}.'
            )
        number = aliases[alias]
    versions = {str(v.version): v for v in client.search_model_versions(f"name = '{name}'", max_results=1000)}
    if str(number) not in versions:
        raise UserError(
            f"{model}: no such version. {name} has versions {', '.join(sorted(versions, key=int))}."
        )
    return versions[str(number)]
