"""The registry: one version a fingerprint, the better one is champion, served without pickle."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gptmill.errors import UserError
from gptmill.fingerprint import locked_inputs, stage_inputs
from gptmill.outs import read_json, write_json
from gptmill.params.register import Register
from gptmill.tracking.client import connect, tracking_uri
from gptmill.tracking.content import Description, describe
from gptmill.tracking.fetch import load_registered
from gptmill.tracking.package import Package
from gptmill.tracking.packing import build_package
from gptmill.tracking.publish import publish
from gptmill.tracking.registry import decide, register
from gptmill.tracking.runs import open_run

TAGS = {
    "gptmill.bits_per_byte": "2.0",
    "gptmill.perplexity": "30",
    "gptmill.test_data": "t",
    "gptmill.tokenizer": "k",
}


def champion(**tags: str) -> Any:
    return SimpleNamespace(
        version="3", tags={**TAGS, **{f"gptmill.{key}": value for key, value in tags.items()}}
    )


@pytest.mark.parametrize(
    ("held", "metric", "min_gain", "wins", "reason"),
    [
        (None, "bits_per_byte", 0.0, True, "there was none"),
        (champion(bits_per_byte="2.1"), "bits_per_byte", 0.0, True, "2 against 2.1 of version 3"),
        (
            champion(bits_per_byte="2.1"),
            "bits_per_byte",
            0.2,
            False,
            "version 3 stays champion: .*needed 0.2",
        ),
        (champion(), "bits_per_byte", 0.0, False, "version 3 stays champion: .*gain 0,"),
        (champion(bits_per_byte="1.9"), "bits_per_byte", 0.0, False, "gain -0.1"),
        (champion(bits_per_byte="9", test_data="u"), "bits_per_byte", 0.0, False, "another test data"),
        (champion(perplexity="99"), "perplexity", 0.0, True, "30 against 99"),
        (champion(perplexity="99", tokenizer="l"), "perplexity", 0.0, False, "another tokenizer"),
        (champion(bits_per_byte="9", tokenizer="l"), "bits_per_byte", 0.0, True, "2 against 9"),
        (SimpleNamespace(version="3", tags={}), "bits_per_byte", 0.0, False, "not comparable"),
    ],
)
def test_the_rule(held: Any, metric: str, min_gain: float, wins: bool, reason: str) -> None:
    won, why = decide(TAGS, held, metric, min_gain)
    assert won is wins
    assert re.search(reason, why), why


def test_aliases_follow_the_figures(project: Path) -> None:
    client = connect(tracking_uri(project))
    params = Register(name="gptmill", metric="bits_per_byte", min_gain=0.0)
    description = describe("register", locked_inputs("register", project), project)
    run_id = open_run(client, description)
    package = project / "models/package"

    def version(name: str, bits: float) -> str:
        facts = read_json(package / "facts.json")
        write_json(package / "facts.json", {**facts, "metrics": {"bits_per_byte": bits}})
        return register(client, params, _with(description, name), run_id, package)

    def aliases() -> dict[str, str]:
        return {
            alias: str(number) for alias, number in client.get_registered_model("gptmill").aliases.items()
        }

    assert version("first", 2.5) == "1"
    assert _aliases(client) == {"champion": "1", "challenger": "1"}
    assert version("better", 2.4) == "2"
    assert _aliases(client) == {"champion": "2", "challenger": "2"}
    assert version("worse", 2.6) == "3"
    assert _aliases(client) == {"champion": "2", "challenger": "3"}
    assert version("worse", 2.6) == "3", "the same fingerprint makes no second version"
    assert version("first", 2.5) == "1"
    assert _aliases(client) == {"champion": "2", "challenger": "3"}
    reason = client.get_model_version("gptmill", "3").tags["gptmill.reason"]
    assert (
        reason == "version 2 stays champion: bits_per_byte 2.6 against 2.4 of version 2, gain -0.2, needed 0"
    )


def test_a_registration_that_stopped_half_way_goes_on(project: Path) -> None:
    publish(project)
    client = connect(tracking_uri(project))
    client.delete_model_version_tag("gptmill", "1", "gptmill.reason")
    client.delete_registered_model_alias("gptmill", "challenger")
    publish(project)
    found = client.get_registered_model("gptmill")
    assert {alias: str(number) for alias, number in found.aliases.items()} == {
        "champion": "1",
        "challenger": "1",
    }
    assert client.get_model_version("gptmill", "1").tags["gptmill.reason"] == "champion: there was none"


def test_a_version_names_what_is_behind_it(project: Path) -> None:
    publish(project)
    tags = connect(tracking_uri(project)).get_model_version("gptmill", "1").tags
    assert tags["gptmill.fingerprint"] == locked_inputs("register", project).fingerprint
    assert tags["gptmill.fingerprint.pretrain"] == locked_inputs("pretrain", project).fingerprint
    assert tags["gptmill.fingerprint.evaluate"] == locked_inputs("evaluate", project).fingerprint
    assert tags["gptmill.bits_per_byte"] == "2.5"
    assert tags["gptmill.licences"] == "BSD-3-Clause, CC0-1.0"
    assert tags["gptmill.gates"] == "tokenize"
    assert len(tags["mlflow.source.git.commit"]) == 40


def test_the_champion_is_served_from_its_own_code_without_pickle(project: Path, tmp_path: Path) -> None:
    publish(project)
    code = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path = [path for path in sys.path if not path.rstrip("/").endswith("src")]
import mlflow, pandas as pd, json
model = mlflow.pyfunc.load_model("models:/gptmill@champion")
import gptmill
greedy = {"temperature": 0.0, "max_new_tokens": 5}
out = [model.predict(["The array is", "It"], params=greedy), model.predict("The array is", params=greedy),
    model.predict(pd.DataFrame({"any": ["The array is"]}), params=greedy),
    model.predict(pd.Series(["The array is"]), params=greedy)]
print(json.dumps([gptmill.__file__, out, model.metadata.signature.to_dict(), "lightning" in sys.modules]))
"""
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri(project),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    file, (many, *one), signature, lightning = json.loads(done.stdout.splitlines()[-1])
    assert file.startswith(str(project / "mlartifacts"))
    assert not lightning
    assert many[0].startswith("The array is")
    assert many[1].startswith("It")
    assert all(single == [many[0]] for single in one)
    assert many[0] == Package.load(project / "models/package").complete("The array is", 5, 0.0)
    assert [param["name"] for param in json.loads(signature["params"])] == [
        "max_new_tokens",
        "temperature",
        "top_k",
        "seed",
    ]
    folder = project / "mlartifacts"
    assert not [
        path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".ckpt")
    ]


def test_a_package_is_the_same_bytes_wherever_it_is_made(project: Path, tmp_path: Path) -> None:
    inputs = stage_inputs("register", project)
    assert inputs.fingerprint == locked_inputs("register", project).fingerprint
    folder = tmp_path / "again"
    folder.mkdir()
    build_package(inputs, project, folder)
    made = project / "models/package"
    files = ["README.md", "config.json", "facts.json", "model.safetensors", "tokenizer.model"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert all((folder / name).read_bytes() == (made / name).read_bytes() for name in files)
    card = (folder / "README.md").read_text()
    assert "| books | CC0-1.0 | real | 80 |" in card
    assert "| bits_per_byte | 2.5000 |" in card
    assert "````text\nThe array is done\n````" in card
    assert str(project) not in card


def test_other_test_data_has_another_digest(tmp_path: Path) -> None:
    from tracked_project import write_documents

    from gptmill.tracking.packing import test_digest as digest_of_test_split

    paths = [tmp_path / name for name in ("one", "same", "other")]
    texts = [f"text {i}" for i in range(20)]
    write_documents(paths[0], texts)
    write_documents(paths[1], [*texts[:19], "changed, but in train"])
    write_documents(paths[2], ["changed, and in test", *texts[1:]])
    one, same, other = map(digest_of_test_split, paths)
    assert one == same != other


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "models:/gptmil@champion",
            r'no registered model "gptmil"; did you mean "gptmill"\?.*Registered are: gptmill',
        ),
        ("models:/gptmill@champoin", r'no alias "champoin"; did you mean "champion"\?.*challenger, champion'),
        ("models:/gptmill/7", r"no such version\. gptmill has: 1"),
        ("models:gptmill", r"write models:/<name>@<alias>"),
    ],
)
def test_an_unknown_model_is_a_message(published: Path, model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_registered(model, tracking_uri(published))


def test_a_registered_package_is_the_one_that_was_packed(published: Path) -> None:
    ours = Package.load(published / "models/package").complete("The array", 8, seed=3)
    for model in ("models:/gptmill@champion", "models:/gptmill/1"):
        assert load_registered(model, tracking_uri(published)).complete("The array", 8, seed=3) == ours


@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": -1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"seed": -1},
    ],
)
def test_an_impossible_setting_is_a_message(published: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(setting))} = .* allowed: "):
        Package.load(published / "models/package").complete("a", **setting)


def _with(description: Description, fingerprint: str) -> Description:
    return replace(description, tags={**description.tags, "gptmill.fingerprint": fingerprint})


def _aliases(client: Any) -> dict[str, str]:
    aliases = client.get_registered_model("gptmill").aliases
    return {alias: str(number) for alias, number in aliases.items()}
