"""Faults planted into the outs of collect, clean and dedupe: each is caught, and the message says where."""

from __future__ import annotations

import re

import pytest
from planting import caught, setter

DOCUMENTS = {stage: f"data/{stage}/documents.parquet" for stage in ("collect", "clean", "dedupe")}


def id_of(project, stage: str, row: int) -> str:
    ids = []
    project.edit(DOCUMENTS[stage], lambda rows: ids.append(rows[row]["id"]))
    return ids[0]


@pytest.mark.parametrize("stage", ["collect", "clean", "dedupe"])
def test_missing_text(project, stage):
    project.edit(DOCUMENTS[stage], setter(4, text=None))
    example = id_of(project, stage, 4)
    caught(
        project.fails(stage), stage, "documents.text", "expect_column_values_to_not_be_null", "1 of", example
    )


@pytest.mark.parametrize("stage", ["collect", "clean"])
@pytest.mark.parametrize("text", ["", " \n\t"])
def test_empty_text(project, stage, text):
    project.edit(DOCUMENTS[stage], setter(4, text=text))
    example = id_of(project, stage, 4)
    caught(
        project.fails(stage), stage, "documents.text", "expect_column_values_to_match_regex", "1 of", example
    )


@pytest.mark.parametrize("stage", ["collect", "clean", "dedupe"])
def test_repeated_id(project, stage):
    project.edit(DOCUMENTS[stage], lambda rows: rows + rows[2:3])
    example = id_of(project, stage, 2)
    caught(project.fails(stage), stage, "documents.id", "expect_column_values_to_be_unique", "2 of", example)


def test_changed_text_under_an_old_id(project):
    project.edit(DOCUMENTS["collect"], setter(4, text="another text"))
    message = project.fails("collect")
    caught(
        message,
        "collect",
        "documents.id",
        "expect_column_pair_values_to_be_equal",
        id_of(project, "collect", 4),
    )


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "unknown", "MIT AND CC-BY-NC-4.0", "MIT OR Proprietary", "MIT-like", "(c) me"]
)
def test_licence_outside_the_allow_list(project, licence):
    project.edit(DOCUMENTS["collect"], setter(4, licence=licence))
    message = project.fails("collect")
    culprit = re.sub(r"MIT (AND|OR) |[()]", "", licence).split()[0]
    place, expectation = "licences.licence", "expect_column_values_to_match_regex_list"
    caught(message, "collect", place, expectation, culprit, id_of(project, "collect", 4))


@pytest.mark.parametrize(
    "licence",
    [
        "PSF-2.0",
        "(MIT OR Apache-2.0) AND CC0-1.0",
        "LicenseRef-Public-Domain-US",
        "Public domain",
        "public-domain (Project Gutenberg)",
        "PD-US",
    ],
)
def test_licence_on_the_allow_list(project, licence):
    project.edit(DOCUMENTS["collect"], setter(4, licence=licence))
    project.passes("collect")


def test_a_source_that_yielded_nothing(project):
    nothing = {"kind": "files", "read": 0, "documents": 0, "repeats": 0, "bytes": 0}
    project.edit_json("data/collect/sources.json", lambda sources: sources.update(letters=nothing))
    message = project.fails("collect")
    between = "expect_column_values_to_be_between"
    caught(message, "collect", "sources.documents", between, "such as 0", "examples: letters")
    caught(message, "collect", "sources.bytes", between, "such as 0", "examples: letters")


def test_a_source_of_which_clean_leaves_nothing(project):
    books = []

    def drop(rows):
        books.extend(row | {"reason": "n_words"} for row in rows if row["source"] == "books")
        return [row for row in rows if row["source"] != "books"]

    project.edit(DOCUMENTS["clean"], drop)
    project.edit("data/clean/dropped.parquet", lambda rows: rows + books)
    place = "sources.kept_fraction"
    caught(project.fails("clean"), "clean", place, "expect_column_values_to_be_between", "examples: books")


def test_collect_lost_a_document_from_its_count(project):
    project.edit_json("data/collect/sources.json", lambda sources: sources["books"].update(read=50))
    message = project.fails("collect")
    caught(message, "collect", "sources.lost", "expect_column_values_to_be_in_set", "examples: books")


def test_collect_lost_a_document_from_its_table(project):
    project.edit(DOCUMENTS["collect"], lambda rows: rows[:7] + rows[8:])
    message = project.fails("collect")
    caught(message, "collect", "sources.documents", "expect_column_pair_values_to_be_equal", "1 of 2 rows")


def test_collect_lost_a_dropped_document(project):
    project.edit("data/collect/dropped.parquet", lambda rows: rows[1:])
    message = project.fails("collect")
    caught(message, "collect", "sources.dropped", "expect_column_pair_values_to_be_equal", "1 of 2 rows")


def test_collect_dropped_for_no_reason_of_ours(project):
    project.edit("data/collect/dropped.parquet", setter(0, reason="mislaid"))
    message = project.fails("collect")
    caught(message, "collect", "dropped.reason", "expect_column_values_to_be_in_set", '"mislaid"')


def test_collect_kept_no_text_for_a_repeat(project):
    gone = []
    project.edit("data/collect/repeats.parquet", lambda rows: gone.append(rows[0]["id"]))
    project.edit(DOCUMENTS["collect"], lambda rows: [row for row in rows if row["id"] != gone[0]])
    caught(project.fails("collect"), "collect", "repeats.kept", "expect_column_values_to_be_in_set", gone[0])


@pytest.mark.parametrize("stage", ["clean", "dedupe"])
def test_lost_document(project, stage):
    lost = [id_of(project, stage, row) for row in (5, 6)]
    project.edit(DOCUMENTS[stage], lambda rows: rows[:5] + rows[7:])
    message = project.fails(stage)
    place, expectation = "flow.outcome", "expect_column_values_to_be_in_set"
    caught(message, stage, place, expectation, "2 of", "allowed: none", '"lost"', *lost)


def test_invented_document(project):
    project.edit(DOCUMENTS["clean"], lambda rows: [*rows, rows[0] | {"id": "f" * 32}])
    message = project.fails("clean")
    caught(message, "clean", "flow.outcome", "expect_column_values_to_be_in_set", '"invented"', "f" * 32)


def test_document_both_kept_and_dropped(project):
    project.edit("data/clean/dropped.parquet", lambda rows: rows[1:])
    dropped = []
    project.edit("data/clean/dropped.parquet", lambda rows: dropped.append(rows[0]))
    project.edit(DOCUMENTS["clean"], lambda rows: [*rows, {k: dropped[0][k] for k in rows[0]}])
    message = project.fails("clean")
    caught(
        message, "clean", "flow.outcome", "expect_column_values_to_be_in_set", '"kept and dropped"', '"lost"'
    )


def test_dropped_without_a_reason(project):
    project.edit("data/clean/dropped.parquet", setter(0, reason=None))
    caught(project.fails("clean"), "clean", "dropped.reason", "expect_column_values_to_not_be_null", "1 of 3")


@pytest.mark.parametrize(
    "leftover",
    [
        "write to jane.doe+lists@mail.example.org today",
        "x@y.co",
        "a\x00b",
        "bell\x07",
        "form\x0cfeed",
        "a\x9fb",
        "del\x7f",
        "*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***",
        "the full Project Gutenberg-tm License in this file",
        "a no-break\u00a0space",
        "-----BEGIN RSA PRIVATE" + " KEY-----",
        "AKIA" + "IOSFODNN7EXAMPLE",
    ],
)
def test_leftovers_in_clean_text(project, leftover):
    project.edit(DOCUMENTS["clean"], setter(4, text=f"Some text. {leftover} More of it."))
    message = project.fails("clean")
    example = id_of(project, "clean", 4)
    caught(message, "clean", "documents.text", "expect_column_values_to_not_match_regex", "1 of", example)
    for path in [*(project.root / ".gptmill").rglob("*.html"), *(project.root / "reports/gates").iterdir()]:
        assert "Some text" not in path.read_text()  # reports must not spread what they found
    assert "Some text" not in message


@pytest.mark.parametrize(
    "text", ["a @ b, decorators like @property.setter", "tab\tand\nline feed", "é\u0301 user@host"]
)
def test_what_only_looks_like_a_leftover(project, text):
    project.edit(DOCUMENTS["clean"], setter(4, text=text))
    project.passes("clean")


@pytest.mark.parametrize("change", [str, str.upper, lambda text: text.replace(" ", "\n ")])
def test_exact_duplicate_left(project, change):
    project.edit(DOCUMENTS["dedupe"], lambda rows: rows[5].update(text=change(rows[4]["text"])))
    examples = [id_of(project, "dedupe", row) for row in (4, 5)]
    message = project.fails("dedupe")
    caught(message, "dedupe", "documents.text_key", "expect_column_values_to_be_unique", "2 of", *examples)


def test_dropped_for_a_document_that_is_not_kept(project):
    """As in FineWeb's dumps: the counts are right, the wrong one of the pair is gone."""
    project.edit("data/dedupe/dropped.parquet", lambda rows: rows[0].update(kept_id=rows[1]["id"]))
    message = project.fails("dedupe")
    caught(message, "dedupe", "dropped.kept", "expect_column_values_to_be_in_set", "1 of 2")


def test_cluster_split_between_train_and_test(project):
    project.edit("data/dedupe/dropped.parquet", lambda rows: rows[0].update(split="test"))
    cluster = []
    project.edit("data/dedupe/dropped.parquet", lambda rows: cluster.append(rows[0]["cluster"]))
    message = project.fails("dedupe")
    caught(message, "dedupe", "clusters.splits", "expect_column_values_to_be_in_set", "such as 2", cluster[0])


def test_unknown_and_empty_split(project):
    project.edit(DOCUMENTS["dedupe"], lambda rows: [row | {"split": "train"} for row in rows])
    message = project.fails("dedupe")
    caught(message, "dedupe", "splits.documents", "expect_column_values_to_be_between", "validation, test")


def test_no_more_than_five_examples(project):
    project.edit(DOCUMENTS["clean"], lambda rows: [row | {"text": "me@example.com"} for row in rows])
    message = project.fails("clean")
    assert len(re.search(r"examples: (.*)", message)[1].split(", ")) == 5
    assert all(len(result["examples"]) <= 5 for result in project.report("clean")["results"])


def test_mostly_is_respected_and_shown(project):
    suite = project.root / "expectations/clean.yaml"
    suite.write_text("documents:\n  - expect_column_values_to_not_be_null: {column: text, mostly: 0.99}\n")
    project.edit(DOCUMENTS["clean"], setter(4, text=None))
    assert "allowed: at most 1.0000% of them" in project.fails("clean")
    suite.write_text("documents:\n  - expect_column_values_to_not_be_null: {column: text, mostly: 0.9}\n")
    project.passes("clean")


def test_a_failed_gate_writes_its_report(project):
    project.edit(DOCUMENTS["clean"], setter(4, text=None))
    project.fails("clean")
    report = project.report("clean")
    assert not report["success"]
    failed = [result for result in report["results"] if not result["success"]]
    assert report["expectations"]["failed"] == len(failed) == 1
    assert failed[0]["unexpected_count"] == 1
    assert failed[0]["examples"] == [id_of(project, "clean", 4)]


def test_personal_data_that_pii_json_counts_otherwise(project):
    project.edit_json("data/clean/pii.json", lambda found: found.update(card=0))
    message = project.fails("clean")
    caught(message, "clean", "pii.difference", "expect_column_values_to_be_in_set", "examples: card")


def test_a_language_by_its_wrong_name(project):
    project.edit(DOCUMENTS["clean"], setter(4, lang="English"))
    caught(project.fails("clean"), "clean", "documents.lang", "expect_column_values_to_match_regex", "1 of")
