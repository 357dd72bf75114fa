"""Faults planted into what pretrain, finetune and evaluate report."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from planting import caught

PRETRAIN = "reports/pretrain/metrics.json"
FINETUNE = "reports/finetune/provenance/metrics.json"
EVALUATE = "reports/evaluate/metrics.json"
PREDICTIONS = "models/finetune/provenance/predictions.parquet"
NOT_NULL, BETWEEN = "expect_column_values_to_not_be_null", "expect_column_values_to_be_between"
GREATER = "expect_column_pair_values_a_to_be_greater_than_b"


@pytest.mark.parametrize(
    ("loss", "expectation"), [(float("nan"), NOT_NULL), (None, NOT_NULL), (float("inf"), BETWEEN)]
)
@pytest.mark.parametrize("curve", ["train_loss", "val_loss"])
def test_final_loss_not_finite(project, curve, loss, expectation):
    project.edit_json(PRETRAIN, lambda metrics: metrics.update({curve: loss}))
    caught(project.fails("pretrain"), "pretrain", f"metrics.{curve}", expectation, PRETRAIN)


@pytest.mark.parametrize("loss", ["nan", "inf", "-inf", "?"])
def test_loss_on_the_way_not_finite(project, loss):
    project.write("reports/pretrain/losses.csv", f"step,train_loss,val_loss\n10,4.0,\n20,3.0,{loss}\n")
    message = project.fails("pretrain")
    caught(message, "pretrain", "losses.finite", "expect_column_values_to_be_in_set", "1 of 3", "val_loss@20")


@pytest.mark.parametrize("loss", [5.0, 5.1])
def test_loss_not_below_the_unigram_model(project, loss):
    project.edit_json(PRETRAIN, lambda metrics: metrics.update(val_loss=loss))
    caught(project.fails("pretrain"), "pretrain", "metrics.unigram_loss", GREATER, f"[5.0, {loss}]")


def test_loss_not_in_the_report(project):
    project.edit_json(PRETRAIN, lambda metrics: metrics.pop("val_loss"))
    message = project.fails("pretrain")
    assert "expectations/pretrain.yaml:\n  metrics[2]: " in message
    assert 'the table "metrics" has no column "val_loss"; did you mean "train_loss"?' in message


@pytest.mark.parametrize("score", [0.6, 0.5])
def test_task_no_better_than_its_baseline(project, score):
    project.edit_json(FINETUNE, lambda metrics: metrics.update(score=score))
    message = project.fails("finetune")
    caught(message, "finetune", "tasks.score", GREATER, f"[{score}, 0.6]", "examples: provenance")


@pytest.mark.parametrize("kind", ["summary_of_body", "same_object", "which_body"])
def test_chance_on_a_task_of_passages_is_no_fault(project, kind):
    raw = f"    provenance: {{kind: {kind}}}"
    project.write(
        "params.yaml", re.sub(r"    provenance: .*", raw, (project.root / "params.yaml").read_text())
    )
    project.edit_json(FINETUNE, lambda metrics: metrics.update(baseline=1.0))
    project.passes("finetune")
    project.edit_json(FINETUNE, lambda metrics: metrics.update(baseline=None))
    caught(project.fails("finetune"), "finetune", "tasks.baseline", NOT_NULL, "examples: provenance")


@pytest.mark.parametrize("primary", ["accuracy", "f1", "matthews"])
def test_score_that_the_predictions_do_not_have(project, primary):
    project.edit_json(FINETUNE, lambda metrics: metrics.update(primary=primary))

    def mistake(rows):
        next(row for row in rows if row["split"] == "test")["predicted"] = "letters"

    project.edit(PREDICTIONS, mistake)
    caught(project.fails("finetune"), "finetune", "tasks.score_error", BETWEEN, "examples: provenance")


def test_predictions_missing_or_twice(project):
    project.edit(PREDICTIONS, lambda rows: rows[0].update(predicted=None))
    example = []
    project.edit(PREDICTIONS, lambda rows: example.append(rows[0]["id"]))
    caught(project.fails("finetune"), "finetune", "predictions.predicted", NOT_NULL, example[0])
    project.edit(PREDICTIONS, lambda rows: rows + rows[:1])
    unique = "expect_compound_columns_to_be_unique"
    caught(project.fails("finetune"), "finetune", "predictions.task", unique, "2 of", example[0])


def test_a_task_that_params_no_longer_have_is_not_passed_on(project):
    before = project.passes("finetune")
    token = (project.root / "data/gates/finetune.json").read_bytes()
    old = project.root / "models/finetune/old"
    old.mkdir()
    (old / "model.safetensors").write_bytes(b"old weights")
    assert project.passes("finetune") == before
    assert (project.root / "data/gates/finetune.json").read_bytes() == token


@pytest.mark.parametrize(
    ("bits", "expectation"), [(float("nan"), NOT_NULL), (float("inf"), BETWEEN), (0.0, BETWEEN)]
)
def test_bits_per_byte_impossible(project, bits, expectation):
    project.edit_json(EVALUATE, lambda metrics: metrics.update(bits_per_byte=bits))
    caught(project.fails("evaluate"), "evaluate", "metrics.bits_per_byte", expectation, EVALUATE)


def test_bits_per_byte_not_below_the_unigram_model(project):
    project.edit_json(EVALUATE, lambda metrics: metrics.update(bits_per_byte=2.95))
    caught(project.fails("evaluate"), "evaluate", "metrics.unigram_bits_per_byte", GREATER, "[2.9, 2.95]")


@pytest.mark.parametrize(("change", "place"), [("pop", "tasks.reported"), ("add", "tasks.wanted")])
def test_tasks_other_than_those_of_params(project, change, place):
    def edit(metrics):
        if change == "pop":
            metrics["tasks"].pop("provenance")
        else:
            metrics["tasks"]["old"] = {"score": 1.0}

    project.edit_json(EVALUATE, edit)
    example = "provenance" if change == "pop" else "old"
    caught(
        project.fails("evaluate"),
        "evaluate",
        place,
        "expect_column_values_to_be_in_set",
        f"examples: {example}",
    )


def test_no_sample_an_empty_one_and_nothing_but_prompts(project):
    path = "reports/evaluate/samples.json"
    project.write(path, "[]")
    expectation = "expect_table_row_count_to_be_between"
    caught(project.fails("evaluate"), "evaluate", "samples", expectation, "observed: 0; allowed: at least 1")
    project.write(path, '[{"prompt": "The", "text": " "}]')
    regex = "expect_column_values_to_match_regex"
    caught(project.fails("evaluate"), "evaluate", "samples.text", regex, '"The" #0')
    project.write(path, '[{"prompt": "The", "text": "The "}, {"prompt": "A", "text": "A"}]')
    maximum = "expect_column_max_to_be_between"
    caught(
        project.fails("evaluate"), "evaluate", "samples.chars", maximum, "observed: 0; allowed: at least 1"
    )
    project.write(path, '[{"prompt": "The", "text": "The"}, {"prompt": "A", "text": "A b"}]')
    project.passes("evaluate")


def test_a_model_that_recites_its_training_text(project):
    project.edit_json(EVALUATE, lambda metrics: metrics["memorised"].update(train=0.3))
    caught(project.fails("evaluate"), "evaluate", "metrics.memorised.train", BETWEEN, "0.3", EVALUATE)
    project.edit_json(EVALUATE, lambda metrics: metrics.update(memorised={}))
    project.passes("evaluate")


def test_numbers_are_judged_by_their_correlation(project):
    raw = "    provenance: {kind: regression, folder: x, files: {train: a.tsv, test: b.tsv}}"
    project.write(
        "params.yaml", re.sub(r"    provenance: .*", raw, (project.root / "params.yaml").read_text())
    )

    path = project.root / PREDICTIONS
    table = pd.read_parquet(path)
    table["label"] = [float(i) for i in range(len(table))]
    table["predicted"] = table["label"] % 3
    table.to_parquet(path)
    project.edit_json(FINETUNE, lambda metrics: metrics.update(primary="pearson", score=0.9, baseline=0.0))
    caught(project.fails("finetune"), "finetune", "tasks.score_error", BETWEEN, "examples: provenance")


def test_no_task_at_all(project):
    text = (project.root / "params.yaml").read_text()
    start, end = text.index("  tasks:\n"), text.index("  epochs:")
    project.write("params.yaml", text[:start] + "  tasks: {}\n" + text[end:])
    project.passes("finetune")
    project.edit_json(EVALUATE, lambda metrics: metrics.update(tasks={}))
    project.passes("evaluate")
