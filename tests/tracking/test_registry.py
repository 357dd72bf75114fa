"""The registry: one version a fingerprint, the better one is champion, served without pickle."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gptmill.errors import UserError
from gptmill.fingerprint import dvc_md5, locked_inputs, stage_inputs
from gptmill.run_report.circumstances import against_champion
from gptmill.tracking.client import connect, tracking_uri
from gptmill.tracking.fetch import load_registered
from gptmill.tracking.package import Package
from gptmill.tracking.packing import build_package
from gptmill.tracking.publish import publish
from gptmill.tracking.runs import find_runs


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
    client = connect(tracking_uri(project))
    tags = client.get_model_version("gptmill", "1").tags
    assert tags["gptmill.fingerprint"] == locked_inputs("register", project).fingerprint
    assert tags["gptmill.fingerprint.pretrain"] == locked_inputs("pretrain", project).fingerprint
    assert tags["gptmill.fingerprint.evaluate"] == locked_inputs("evaluate", project).fingerprint
    assert tags["gptmill.bits_per_byte"] == "2.5"
    assert tags["gptmill.licences"] == "BSD-3-Clause, CC0-1.0"
    assert tags["gptmill.gate/tokenize"] == "passed, 3 of 3 expectations"
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert len(tags["gptmill.dvc_lock"]) == 32
    assert tags["gptmill.md5.data/dedupe/documents.parquet"] == dvc_md5(
        project / "data/dedupe/documents.parquet"
    )
    assert tags["gptmill.tokenizer"] == dvc_md5(project / "data/tokens/tokenizer.model")
    assert re.fullmatch(r"\[0\.\d+, 0\.\d+\]", tags["gptmill.interval.tasks.provenance"])
    (parent,) = find_runs(client, locked_inputs("pretrain", project).fingerprint)
    assert tags["gptmill.parent_run"] == parent.info.run_id
    assert client.get_model_version("gptmill", "1").description.startswith("# A GPT made by gptmill")


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
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400
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
        "top_p",
        "min_p",
        "repetition_penalty",
        "beams",
        "length_penalty",
        "stop",
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
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "config.json",
        "facts.json",
        "model.safetensors",
        "tasks/provenance.csv",
        "test_documents.parquet",
        "tokenizer.model",
    }
    assert all((folder / name).read_bytes() == (made / name).read_bytes() for name in names)
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


def test_the_report_knows_the_champion(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published)
    assert against_champion(published) == [
        "This model is the champion of gptmill (version 1), the first there was."
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{published / 'nowhere.db'}")
    (line,) = against_champion(published)
    assert line.startswith("No champion to compare with: ")


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
