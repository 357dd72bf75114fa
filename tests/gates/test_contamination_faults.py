"""gate@dedupe and what was dropped as contaminated: sound outs pass, faults are caught and named."""

from __future__ import annotations

import pytest
from planting import caught

from gptmill.gates.views.dedupe import tables

DOCUMENTS, DROPPED = "data/dedupe/documents.parquet", "data/dedupe/dropped.parquet"


def contaminate(project, row=5, reason="contaminated:test", example=None):
    """Drop a training document for its overlap with `example`, or the first document of the test split."""
    taken = []

    def take(rows):
        found = next(r["id"] for r in rows if r["split"] == "test")
        taken.append(rows[row] | {"kept_id": example or found, "reason": reason})
        return rows[:row] + rows[row + 1 :]

    project.edit(DOCUMENTS, take)
    evidence = {"similarity": 0.4, "overlap": 12}
    project.edit(DROPPED, lambda rows: [*rows, {k: (taken[0] | evidence)[k] for k in rows[0]}])
    return taken[0]["id"]


@pytest.mark.parametrize(
    ("reason", "example"), [("contaminated:test", None), ("contaminated:cola", "17.sentence")]
)
def test_contaminated_documents_pass(project, reason, example):
    gone = contaminate(project, reason=reason, example=example)
    project.passes("dedupe")
    clusters = tables(project.root)["clusters"].set_index("cluster")
    assert clusters["outcome"].value_counts().to_dict()["all contaminated"] == 1
    assert clusters.loc[gone, "outcome"] == "all contaminated"


def test_contaminated_by_a_document_of_another_split_than_it_says(project):
    gone = contaminate(project, reason="contaminated:validation")
    message = project.fails("dedupe")
    caught(message, "dedupe", "dropped.kept", "expect_column_values_to_be_in_set", "1 of", gone)


def test_contaminated_by_a_test_document_that_is_not_there(project):
    gone = contaminate(project, example="f" * 32)
    message = project.fails("dedupe")
    caught(message, "dedupe", "dropped.kept", "expect_column_values_to_be_in_set", "1 of", gone)


def test_a_cluster_that_went_in_part(project):
    cluster = []
    project.edit(DROPPED, lambda rows: cluster.append(rows[0]["cluster"]))
    project.edit(DROPPED, lambda rows: rows[0].update(reason="contaminated:cola"))
    message = project.fails("dedupe")
    expectation = "expect_column_values_to_be_in_set"
    caught(message, "dedupe", "clusters.outcome", expectation, '"partly contaminated"', cluster[0])


@pytest.mark.parametrize("reason", ["contaminated", "contaminated:", "dirty", "near:test"])
def test_a_reason_that_is_none(project, reason):
    project.edit(DROPPED, lambda rows: rows[0].update(reason=reason))
    assert "  dropped.reason: expect_column_values_to_match_regex" in project.fails("dedupe")


def test_groups_are_counted_by_split(project):
    splits = tables(project.root)["splits"].set_index("split")
    assert splits["n_groups"].to_dict() == {"train": 2, "validation": 2, "test": 2}
    project.edit(DOCUMENTS, lambda rows: [r | {"meta": [("group", "one")]} for r in rows])
    assert tables(project.root)["splits"]["n_groups"].tolist() == [1, 1, 1]
    project.edit(DOCUMENTS, lambda rows: [r | {"meta": []} for r in rows])
    assert tables(project.root)["splits"]["n_groups"].tolist() == [0, 0, 0]
