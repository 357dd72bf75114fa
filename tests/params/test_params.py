"""A mistake in params.yaml is one line: the key, what was found, what is allowed, the nearest key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from gptmill.errors import UserError
from gptmill.params import check, load, load_seed, read_yaml
from gptmill.params.everything import Params, load_everything
from gptmill.params.pretrain import Pretrain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raw() -> dict[str, Any]:
    return copy.deepcopy(read_yaml(ROOT / "params.yaml"))


def set_at(raw: dict[str, Any], key: str, value: Any) -> None:
    here: Any = raw
    *path, last = key.split(".")
    for part in path:
        here = here[int(part)] if part.isdigit() else here[part]
    here[last] = value


def message(raw: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        check(Params, raw, where="params.yaml")
    return str(error.value)


def test_the_default_is_valid() -> None:
    params = load_everything(ROOT / "params.yaml")
    assert next(iter(params.collect.sources)).name == "numpy"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "sed",
            1,
            r'sed: unknown key; did you mean "seed"\? Allowed here: seed, engine, collect, .*register',
        ),
        ("pretrain.model.n_embed", 3, r'pretrain\.model\.n_embed: unknown key; did you mean "n_embd"\?'),
        ("pretrain.model.n_head", 5, r"n_embd = 128 is not divisible by n_head = 5; .* can be 1, 2, 4, 8"),
        ("pretrain.model.n_layer", "4", r"pretrain\.model\.n_layer: .*valid integer; found '4'"),
        ("pretrain.model.dropout", 1.5, r"pretrain\.model\.dropout: .*less than 1; found 1\.5"),
        ("pretrain.optimizer.warmup_steps", 99999, r"warmup_steps = 99999 .* must be below max_steps"),
        ("pretrain.model.preset", "gtp1", r"pretrain\.model\.preset: .*'gpt1'.*found 'gtp1'"),
        ("tokenize.vocab_size", 10, r"tokenize\.vocab_size: .*greater than or equal to 300; found 10"),
        (
            "collect.sources.0.pakage",
            "x",
            r'collect\.sources\.0\.pakage: unknown key; did you mean "package"\?',
        ),
        (
            "collect.sources.0.kind",
            "docstring",
            r'0\.kind: "docstring" is no kind; did you mean "docstrings"\?',
        ),
        ("collect.sources.0.package", "numpy", r"collect\.sources\.0\.package: .*found 'numpy'"),
        ("collect.sources.1.name", "numpy", r"collect: sources share a name: numpy"),
        ("pretrain.devices", 0, r"pretrain\.devices: must be a whole number, 1 or more, or auto; found 0"),
        ("pretrain.optimizer.learning_rate", float("inf"), r"learning_rate: .*finite"),
        ("collect.sources", [], r"collect\.sources: .*at least 1 item"),
        ("clean.rules.n_wrds", {"min": 1}, r'"n_wrds" is no signal; did you mean "n_words"\?'),
        ("clean.rules.n_words", {"min": 9, "max": 3}, r"n_words"),
        ("clean.preset", "gohper", r'clean: preset: "gohper" is no preset; did you mean "gopher"\?'),
        ("clean.languages", ["eng"], r'clean\.languages: "eng" is no language that can be told'),
        ("clean.boilerplate.max_document", 3, r'did you mean "max_documents"\?'),
        ("evaluate.stride", 999, r"evaluate\.stride = 999 is longer than pretrain\.model\.block_size = \d+"),
        ("evaluate.length_bins", [256, 256], r"evaluate\.length_bins: .*must rise"),
        ("finetune.tasks.provenance.max_tokens", 999, r"max_tokens = 999 is longer than .*block_size = \d+"),
        ("pretrain.init_from", "nowhere", r"pretrain\.init_from: nowhere is no model's folder"),
        ("pretrain.max_steps", 10**30, r"pretrain\.max_steps: .*less than or equal to 1000000000; found"),
        ("pretrain.strategy", "fsdp", r"pretrain: strategy = fsdp .* optimizer\.name to adamw"),
        ("finetune.lm_weight", None, r"finetune\.lm_weight: .*valid number; found None"),
        ("register.nme", 1, r'register\.nme: unknown key; did you mean "name"\?'),
    ],
)
def test_mistakes(raw: dict[str, Any], key: str, value: Any, expected: str) -> None:
    import re

    set_at(raw, key, value)
    assert re.search(expected, message(raw)), message(raw)


@pytest.mark.parametrize(
    ("preset", "key", "value", "expected"),
    [
        ("gpt2", "optimizer.matrix_learning_rate", 5.0, "name = auto is adamw with preset gpt2"),
        (
            "gpt2",
            "optimizer.embedding_learning_rate",
            5.0,
            "optimizer.embedding_learning_rate = 5.0 is Muon's",
        ),
        ("lstm", "document_mask", True, "document_mask = True is not for preset lstm"),
        ("lstm", "activation_checkpointing", True, "activation_checkpointing = True is not for preset lstm"),
    ],
)
def test_what_a_preset_has_no_use_for(
    raw: dict[str, Any], preset: str, key: str, value: Any, expected: str
) -> None:
    set_at(raw, "pretrain.model.preset", preset)
    check(Params, raw, where="params.yaml")
    set_at(raw, f"pretrain.{key}", value)
    assert expected in message(raw)


def test_all_mistakes_are_told_at_once(raw: dict[str, Any]) -> None:
    del raw["evaluate"]["top_k"]
    raw["seed"] = -1
    text = message(raw)
    assert "evaluate.top_k: missing" in text
    assert "seed: " in text


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path, raw: dict[str, Any]) -> None:
    # YAML 1.1 readers take 1e-3 for a text.
    text = (ROOT / "params.yaml").read_text().replace("  learning_rate: auto", "  learning_rate: 2e-3")
    (tmp_path / "params.yaml").write_text(text)
    assert load("pretrain", Pretrain, tmp_path / "params.yaml").optimizer.learning_rate == 0.002
    assert load_seed(tmp_path / "params.yaml") == raw["seed"]


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_everything(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1")
    with pytest.raises(UserError, match="not valid YAML"):
        load_everything(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="expected a mapping"):
        load_everything(tmp_path / "params.yaml")


def test_a_start_is_a_dep_that_no_stage_writes(
    tmp_path: Path, raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ruamel.yaml import YAML

    monkeypatch.chdir(tmp_path)
    flow = (ROOT / "dvc.yaml").read_text()

    def load_with(folder: str, dep: str | None = None) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "config.json").write_text("{}")
        set_at(raw, "pretrain.init_from", folder)
        with (tmp_path / "params.yaml").open("w") as file:
            YAML().dump(raw, file)
        deps = "    deps:  # and the folder of pretrain.init_from, where that is set\n"
        assert deps in flow
        (tmp_path / "dvc.yaml").write_text(flow.replace(deps, deps + f"      - {dep}\n" if dep else deps))
        load_everything()

    load_with("my/start", "my/start")
    load_with(str(tmp_path / "my/start"), "my/start/")
    with pytest.raises(UserError, match=r"pretrain\.init_from: my/start is none of the deps .* `- my/start`"):
        load_with("my/start")
    with pytest.raises(UserError, match="my/start2 is none of the deps"):
        load_with("my/start2", "my/start")
    for folder in ("models/package", "models/pretrain", "models/finetune/cola", "models"):
        with pytest.raises(UserError, match=r"the stage \w+ writes models/.* Copy the folder"):
            load_with(folder, folder)
