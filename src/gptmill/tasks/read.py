"""Tasks of files and hub datasets: rows → examples, with every mistake named by file and line."""

from __future__ import annotations

import math

from gptmill.errors import UserError, nearest
from gptmill.params.finetune import (
    Classification,
    Entailment,
    LabelledTask,
    MultipleChoice,
    ReadTask,
    Regression,
    Similarity,
)
from gptmill.tasks.examples import Dataset, Example, Form, checked, rank, sample
from gptmill.tasks.reading import Row, split_rows, text, value

DEV_SHARE = 10  # without a dev file, one in ten of train's rows


def read_task(task: ReadTask, name: str) -> Dataset:
    """The task's examples; ids say file and line.

    Raises:
        UserError: for a missing file or column, a label not in the label set, a score that is no number, a
            label without a train example.
    """
    where = f"finetune.tasks.{name}"
    rows = {"train": split_rows(task, "train", where), "test": split_rows(task, "test", where)}
    if task.files.dev is None:
        ranked = sorted(rows["train"], key=lambda row: rank(row.place))
        dev = {row.place for row in ranked[: math.ceil(len(ranked) / DEV_SHARE)]}
        rows["dev"] = [row for row in rows["train"] if row.place in dev]
        rows["train"] = [row for row in rows["train"] if row.place not in dev]
    else:
        rows["dev"] = split_rows(task, "dev", where)
    splits = {}
    for split in ("train", "dev", "test"):
        limit = task.max_train if split == "train" else task.max_eval
        splits[split] = sample([_example(task, row, where) for row in rows[split]], limit)
    labels = task.labels if isinstance(task, LabelledTask) else []
    return checked(Dataset(_form(task), labels, splits), where)


def _form(task: ReadTask) -> Form:
    match task:
        case Classification() | Entailment() | Similarity() | MultipleChoice() | Regression():
            return task.kind
    raise ValueError(task)


def _example(task: ReadTask, row: Row, where: str) -> Example:
    match task:
        case Classification():
            texts = [text(row, task.text, f"{where}.text")]
        case Entailment():
            texts = [
                text(row, task.premise, f"{where}.premise"),
                text(row, task.hypothesis, f"{where}.hypothesis"),
            ]
        case Similarity():
            texts = [text(row, task.first, f"{where}.first"), text(row, task.second, f"{where}.second")]
        case MultipleChoice():
            question = text(row, task.question, f"{where}.question") if task.question else ""
            texts = [text(row, task.context, f"{where}.context"), question, *_answers(task, row, where)]
        case Regression():
            texts = [text(row, task.first, f"{where}.first")]
            texts += [text(row, task.second, f"{where}.second")] if task.second else []
            return Example(row.place, tuple(texts), _number(row, task.score, f"{where}.score"))
        case _:
            raise ValueError(task)
    assert isinstance(task, LabelledTask)
    return Example(row.place, tuple(texts), _label(row, task, where))


def _answers(task: MultipleChoice, row: Row, where: str) -> list[str]:
    key = f"{where}.answers"
    if isinstance(task.answers, list):
        return [text(row, column, key) for column in task.answers]
    answers = value(row, task.answers, key)
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise UserError(f"{key}: {row.place}: {task.answers} is no list of texts")
    if len(answers) != len(task.labels):
        raise UserError(
            f"{key}: {row.place} has {len(answers)} answers, but labels names {len(task.labels)}: "
            f"{', '.join(task.labels)}"
        )
    return answers


def _label(row: Row, task: LabelledTask, where: str) -> str:
    label = str(value(row, task.label, f"{where}.label"))
    if label not in task.labels:
        raise UserError(
            f"{where}.labels: {row.place}: {task.label} is {label!r}, which is not in the label set"
            f"{nearest(label, task.labels) or '.'} Allowed: {', '.join(task.labels)}. "
            "Mend the row, or add the label (train must have examples of it)."
        )
    return label


def _number(row: Row, column: str, key: str) -> str:
    found = value(row, column, key)
    try:
        number = math.nan if isinstance(found, bool) else float(found)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{key}: {row.place}: {column} is {found!r}, which is no finite number")
    return repr(number)
