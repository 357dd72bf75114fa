"""The registry: one version a fingerprint, `challenger` the newest, `champion` the best.

The served model is made from code and files (see `served`), without pickle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.outs import read_json
from gptmill.params.register import Register
from gptmill.tracking.client import experiment_id
from gptmill.tracking.content import FINGERPRINT, Description, key_name
from gptmill.tracking.packing import FACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
REASON = "gptmill.reason"
TEST_DATA, TOKENIZER = "gptmill.test_data", "gptmill.tokenizer"
REQUIREMENTS = ("mlflow", "torch", "numpy", "pandas", "sentencepiece", "safetensors")
METRICS = ("bits_per_byte", "perplexity")
EXAMPLE = ["The array is"]


def register(
    client: MlflowClient, params: Register, description: Description, run_id: str, package: Path
) -> str:
    """The version with this fingerprint, made if there is none; its aliases are set and their reason kept.

    Called again after it failed half-way, it goes on where it stopped.
    """
    _ensure_name(client, params.name)
    found = find_version(client, params.name, description.tags[FINGERPRINT])
    if found is None:
        tags = version_tags(description, read_json(package / FACTS))
        logged = _log_model(client, run_id, package, params.name)
        found = client.create_model_version(
            params.name, logged.artifact_location, run_id=run_id, model_id=logged.model_id, tags=tags
        )
    if REASON not in found.tags:
        champion = _alias(client, params.name, CHAMPION)
        if champion is not None and champion.version == found.version:
            champion = None  # stopped between the alias and its reason
        wins, reason = decide(found.tags, champion, params.metric, params.min_gain)
        client.set_registered_model_alias(params.name, CHALLENGER, found.version)
        if wins:
            client.set_registered_model_alias(params.name, CHAMPION, found.version)
        client.set_model_version_tag(params.name, found.version, REASON, reason)
    return str(found.version)


def decide(tags: Mapping[str, str], champion: Any, metric: str, min_gain: float) -> tuple[bool, str]:
    """Whether the version with `tags` becomes champion, and why.

    Args:
        champion: the version that is champion now, or None.
        metric: lower is better. Perplexity is per token, so it needs the same tokenizer, too.
    """
    if champion is None:
        return True, "champion: there was none"
    held = f"version {champion.version}"
    key = f"gptmill.{metric}"
    for tag, what in (
        (TEST_DATA, "test data"),
        *(((TOKENIZER, "tokenizer"),) if metric == "perplexity" else ()),
    ):
        if tags.get(tag) is None or tags.get(tag) != champion.tags.get(tag):
            return False, f"{held} stays champion: not comparable, it was measured with another {what}"
    if key not in tags or key not in champion.tags:
        return False, f"{held} stays champion: {metric} is not known of both"
    ours, theirs = float(tags[key]), float(champion.tags[key])
    gain = theirs - ours
    figures = f"{metric} {ours:.6g} against {theirs:.6g} of {held}, gain {gain:.3g}, needed {min_gain:g}"
    if gain > 0 and gain >= min_gain:
        return True, f"champion: {figures}"
    return False, f"{held} stays champion: {figures}"


def find_version(client: MlflowClient, name: str, fingerprint: str) -> Any:
    """The version of `name` with this fingerprint, or None."""
    versions = client.search_model_versions(f"name = '{name}'", max_results=1000)
    return next((v for v in versions if v.tags.get(FINGERPRINT) == fingerprint), None)


def version_tags(description: Description, facts: dict[str, Any]) -> dict[str, str]:
    """What a version says of itself: figures, data, and the fingerprints of the chain behind it."""
    metrics, chain = facts["metrics"], description.lineage
    return {
        **description.tags,
        **{f"gptmill.{key}": repr(metrics[key]) for key in METRICS if key in metrics},
        **{key_name(f"gptmill.fingerprint.{stage}"): made["fingerprint"] for stage, made in chain.items()},
        TEST_DATA: facts["test_data"],
        TOKENIZER: facts["tokenizer"],
        "gptmill.gates": ", ".join(
            stage.removeprefix("gate@") for stage in chain if stage.startswith("gate@")
        ),
        "gptmill.licences": ", ".join(sorted({source["licence"] for source in facts["sources"]})),
    }


def save_pyfunc(package: Path, folder: Path) -> None:
    """Write the package as an MLflow model into `folder`, which must not exist."""
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    import gptmill
    from gptmill.tracking import served

    library = Path(gptmill.__file__).parent
    save_model(
        folder,
        python_model=served.__file__,
        artifacts={"package": str(package)},
        code_paths=[str(library)],
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        signature=ModelSignature(
            inputs=Schema([ColSpec("string")]),
            outputs=Schema([ColSpec("string")]),
            params=ParamSchema(
                [
                    ParamSpec("max_new_tokens", "long", 64),
                    ParamSpec("temperature", "double", 0.8),
                    ParamSpec("top_k", "long", 40),
                    ParamSpec("seed", "long", 0),
                ]
            ),
        ),
        input_example=EXAMPLE,
    )


def _log_model(client: MlflowClient, run_id: str, package: Path, name: str) -> Any:
    """Upload the served model and return its entry.

    `mlflow.pyfunc.log_model` does the same, but through a tracking URI that is global to the process.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        save_pyfunc(package.absolute(), folder)
        logged = client.create_logged_model(experiment_id(client), name=name, source_run_id=run_id)
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
    return logged


def _ensure_name(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _alias(client: MlflowClient, name: str, alias: str) -> Any:
    """The version with this alias, or None."""
    number = client.get_registered_model(name).aliases.get(alias)
    return client.get_model_version(name, number) if number is not None else None
