"""The entries of docs/tasks.md are valid, and those for folders work on files of that layout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gptmill.params import check
from gptmill.params.finetune import Finetune
from gptmill.tasks.read import read_task

DOCS = (Path(__file__).parents[2] / "docs/tasks.md").read_text(encoding="utf-8")
BLOCKS = {
    name: YAML(typ="safe").load(text)
    for name, text in re.findall(r"```yaml\n# (\w+)\n(.*?)```", DOCS, re.DOTALL)
}
PAPER = {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "scitail", "race", "story_cloze"}
LABELS = {"sick_e": ["NEUTRAL", "ENTAILMENT", "CONTRADICTION"]}


def test_the_papers_tasks_are_there() -> None:
    assert set(check(Finetune, {"tasks": BLOCKS["paper"]}, "docs/tasks.md").tasks) == PAPER


def test_the_first_example_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(finetune:.*?)```", DOCS, re.DOTALL)
    assert set(check(Finetune, YAML(typ="safe").load(text)["finetune"], "docs/tasks.md").tasks) == {
        "polarity"
    }


@pytest.mark.parametrize("name", BLOCKS["folders"])
def test_entries_for_folders_read_their_layout(tmp_path: Path, name: str) -> None:
    columns = {"sick_e": "premise\thypothesis", "mrpc": "sentence1\tsentence2"}.get(name, "sentence")
    row = "\t".join("text" for _ in columns.split("\t"))
    for split in ("train", "dev", "test"):
        rows = "".join(f"{row}\t{label}\n" for label in LABELS.get(name, ["0", "1"]))
        (tmp_path / f"{split}.tsv").write_text(f"{columns}\tlabel\n{rows}")
    raw = BLOCKS["folders"][name] | {"folder": str(tmp_path)}
    data = read_task(check(Finetune, {"tasks": {name: raw}}, "docs/tasks.md").tasks[name], name)
    assert len(data.splits["test"]) == len(data.labels)
