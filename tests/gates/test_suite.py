"""A mistake in a suite file is one message that names the file, the entry and what would be right."""

from __future__ import annotations

import pytest

PATH = "expectations/evaluate.yaml"
UNIQUE = "expect_column_values_to_be_unique"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrics: [", "is not valid YAML"),
        ("- metrics", "expected a mapping"),
        ("metrics: []", "no expectation in the file"),
        ("metrics: 3", "metrics: expected a list of expectations, found 3"),
        ("metrics: [{a: {}, b: {}}]", "metrics[0]: expected `expectation_name: {arguments}`"),
        (
            "metrics: [{expect_table_row_count_to_equal: 3}]",
            "metrics[0]: expect_table_row_count_to_equal: expected",
        ),
        (f"metric: [{{{UNIQUE}: {{column: id}}}}]", 'metric[0]: no table "metric"; did you mean "metrics"?'),
        (
            f"metrics: [{{{UNIQUE}: {{column: bits}}}}]",
            'the table "metrics" has no column "bits". Columns: metrics, ',
        ),
        (
            f"metrics: [{{{UNIQUE}: {{column: perplexitty}}}}]",
            'has no column "perplexitty"; did you mean "perplexity"?',
        ),
        (
            "metrics: [{expect_column_values_to_be_uniqe: {column: perplexity}}]",
            f'is no expectation of Great Expectations; did you mean "{UNIQUE}"?',
        ),
        (
            f"metrics: [{{{UNIQUE}: {{colum: perplexity}}}}]",
            f'metrics[0]: {UNIQUE}: no argument "colum"; did you mean "column"? Arguments: column,',
        ),
        (f"metrics: [{UNIQUE}]", f"metrics[0]: {UNIQUE}: column is missing"),
        (
            "metrics: [{expect_column_max_to_be_between: {column: perplexity, min_value: x}}]",
            "expect_column_max_to_be_between: min_value: value is not a valid float; found 'x'",
        ),
        (
            "metrics: [{expect_column_values_to_be_in_set: {column: perplexity, value_set: 3}}]",
            "value_set: value is not a valid list; found 3",
        ),
        (f"metrics: [{{{UNIQUE}: {{column: perplexity, severity: warning}}}}]", 'no argument "severity"'),
        (
            "metrics: [{expect_column_mean_to_be_between: {column: metrics, min_value: 1}}]",
            "metrics[0]: expect_column_mean_to_be_between: cannot be computed: ",
        ),
        (
            "samples: [{expect_column_values_to_match_regex: {column: text, regex: '('}}]",
            "samples[0]: expect_column_values_to_match_regex: cannot be computed: ",
        ),
    ],
)
def test_mistake(project, text, said):
    project.write(PATH, text)
    message = project.fails("evaluate")
    assert PATH in message
    assert said in message
    assert "Traceback" not in message


def test_all_mistakes_at_once(project):
    project.write(PATH, f"metric:\n  - {UNIQUE}: {{column: a}}\nmetrics:\n  - {UNIQUE}: {{column: b}}\n")
    assert len(project.fails("evaluate").splitlines()) == 3


def test_missing_suite(project):
    (project.root / PATH).unlink()
    assert f"{PATH} does not exist" in project.fails("evaluate")


@pytest.mark.parametrize(
    "expectation",
    [
        "expect_column_quantile_values_to_be_between: "
        "{column: bits_per_byte, quantile_ranges: {quantiles: [0.5], value_ranges: [[0, 3]]}}",
        "expect_column_to_exist: {column: perplexity}",
        "expect_column_sum_to_be_between: {column: perplexity, max_value: 30}",
        "expect_table_columns_to_match_set: {column_set: [metrics, perplexity], exact_match: false}",
        "expect_select_column_values_to_be_unique_within_record: {column_list: [perplexity, bits_per_byte]}",
        "expect_column_values_to_be_of_type: {column: metrics, type_: str}",
        "expect_column_median_to_be_between: {column: perplexity, min_value: 1, notes: a comment}",
    ],
)
def test_other_expectations_by_their_own_names(project, expectation):
    project.write(PATH, f"metrics:\n  - {expectation}\n")
    project.passes("evaluate")


def test_an_expectation_on_a_whole_column_says_its_figure(project):
    project.write(
        PATH, "metrics:\n  - expect_column_max_to_be_between: {column: perplexity, max_value: 20}\n"
    )
    message = project.fails("evaluate")
    assert "  metrics.perplexity: expect_column_max_to_be_between" in message
    assert "observed: 30.0; allowed: at most 20" in message


def test_row_condition(project):
    project.write(
        PATH,
        "samples:\n  - expect_column_values_to_be_between: "
        "{column: chars, max_value: 1, row_condition: 'prompt==\"A\"', condition_parser: pandas}\n",
    )
    project.passes("evaluate")
