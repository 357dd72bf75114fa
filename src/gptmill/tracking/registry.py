"""The registry: one version a fingerprint, `challenger` the newest; `promotion` says which is champion.

A version carries what is behind it, so that it can be asked years later, in any clone: tags with digests,
figures and verdicts, the model card as its description, and the whole chain in its files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.outs import read_json
from gptmill.params.register import Register
from gptmill.tracking.client import experiment_id
from gptmill.tracking.content import FINGERPRINT, PARENT, Description, gate_verdicts, key_name
from gptmill.tracking.packing import FACTS
from gptmill.tracking.pyfunc import CHAIN, save_pyfunc
from gptmill.tracking.runs import find_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
REASON = "gptmill.reason"
METRICS = ("bits_per_byte", "perplexity")
CARD_LIMIT = 5000  # characters of a version's description, in MLflow's database


def register(
    client: MlflowClient, uri: str, params: Register, description: Description, run_id: str, root: Path
) -> str:
    """The version of models/package with this fingerprint, made if there is none.

    It becomes the challenger; champion only where there is none. Called again after it failed half-way, it
    goes on where it stopped.
    """
    from gptmill.tracking.promotion import crown_first

    package = root / "models/package"
    ensure_name(client, params.name)
    found = find_version(client, params.name, description.tags[FINGERPRINT])
    if found is None:
        tags = version_tags(client, description, root)
        logged = _log_model(client, run_id, package, params.name, description)
        found = client.create_model_version(
            params.name,
            logged.artifact_location,
            run_id=run_id,
            model_id=logged.model_id,
            tags=tags,
            description=_card(package),
        )
    if REASON not in found.tags:
        client.set_registered_model_alias(params.name, CHALLENGER, found.version)
        crown_first(client, uri, params, found, root)
    return str(found.version)


def find_version(client: MlflowClient, name: str, fingerprint: str) -> Any:
    """The version of `name` with this fingerprint, or None."""
    versions = client.search_model_versions(f"name = '{name}'", max_results=1000)
    return next((v for v in versions if v.tags.get(FINGERPRINT) == fingerprint), None)


def has_version(client: MlflowClient, name: str, fingerprint: str) -> bool:
    """Is a version with this fingerprint registered, and no registration of it cut off half-way?"""
    version = find_version(client, name, fingerprint)
    return version is not None and REASON in version.tags


def alias(client: MlflowClient, name: str, which: str) -> Any:
    """The version with this alias, or None."""
    number = client.get_registered_model(name).aliases.get(which)
    return client.get_model_version(name, str(number)) if number is not None else None


def version_tags(client: MlflowClient, description: Description, root: Path) -> dict[str, str]:
    """What a version says of itself: figures, digests of its data, and the chain behind it."""
    facts = read_json(root / "models/package" / FACTS)
    metrics, chain = facts["metrics"], description.lineage
    made = {stage: entry["fingerprint"] for stage, entry in chain.items()}
    parents = find_runs(client, description.tags[PARENT]) if PARENT in description.tags else []
    return {
        **description.tags,
        **{f"gptmill.{key}": repr(metrics[key]) for key in METRICS if key in metrics},
        **{
            key_name(f"gptmill.interval.{score}"): f"[{found['low']:.6g}, {found['high']:.6g}]"
            for score, found in facts["scores"].items()
        },
        **{key_name(f"gptmill.fingerprint.{stage}"): fingerprint for stage, fingerprint in made.items()},
        **{key_name(f"gptmill.md5.{path}"): md5 for path, md5 in description.datasets.items()},
        **gate_verdicts(chain, root),
        **({"gptmill.parent_run": parents[0].info.run_id} if parents else {}),
        "gptmill.dvc_lock": chain_digest(chain),
        "gptmill.test_data": facts["test_data"],
        "gptmill.tokenizer": facts["tokenizer"],
        "gptmill.licences": ", ".join(sorted({source["licence"] for source in facts["sources"]})),
    }


def chain_digest(chain: dict[str, Any]) -> str:
    """MD5 of what dvc.lock records of the stages behind a model: another stage's run leaves it as it is."""
    text = json.dumps(chain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def ensure_name(client: MlflowClient, name: str) -> None:
    """Make the registered model if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _log_model(client: MlflowClient, run_id: str, package: Path, name: str, description: Description) -> Any:
    """Upload the served model, its chain beside it, and return its entry.

    `mlflow.pyfunc.log_model` does the same, but through a tracking URI that is global to the process.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        save_pyfunc(package.absolute(), folder)
        chain = json.dumps(description.lineage, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / CHAIN).write_text(chain + "\n", encoding="utf-8")
        logged = client.create_logged_model(experiment_id(client), name=name, source_run_id=run_id)
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
    return logged


def _card(package: Path) -> str:
    """The model card without the hub's metadata, cut where MLflow's database would refuse it."""
    text = (package / "README.md").read_text(encoding="utf-8")
    text = text[max(0, text.find("\n# ") + 1) :]
    if len(text) <= CARD_LIMIT:
        return text
    end = "\n\n… (cut here; README.md in the version's package has all of it)\n"
    return text[: CARD_LIMIT - len(end)].rpartition("\n")[0] + end
