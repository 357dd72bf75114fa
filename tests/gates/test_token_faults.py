"""Faults planted into the tokenizer, the shards and their index."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from planting import caught, setter

from gptmill.tokens.tokenizer import train_tokenizer

INDEX = "data/tokens/documents.parquet"
SET, EQUAL = "expect_column_values_to_be_in_set", "expect_column_pair_values_to_be_equal"


def plant(project, token: int, document: int, position: int) -> str:
    """Overwrite one token of the `document`th train document; returns the document's id."""
    index = pq.read_table(project.root / INDEX).to_pylist()
    row = [row for row in index if row["split"] == "train"][document]
    path = project.root / f"data/tokens/train-{row['shard']:05d}.bin"
    tokens = np.fromfile(path, "<u2")
    tokens[row["start"] + position] = token
    tokens.tofile(path)
    return str(row["id"])


def test_outs_have_several_shards(project):
    assert len(list((project.root / "data/tokens").glob("train-*.bin"))) > 1


def test_vocabulary_of_another_size_than_params(project):
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("vocab_size: 400", "vocab_size: 401"))
    caught(project.fails("tokenize"), "tokenize", "tokenizer.vocab_size", EQUAL, "[400, 401]")


def test_model_of_another_size_than_meta(project):
    model = train_tokenizer(["some text of this and that"] * 9, 300, "bpe", 0.9995)
    (project.root / "data/tokens/tokenizer.model").write_bytes(model)
    caught(project.fails("tokenize"), "tokenize", "tokenizer.vocab_size", EQUAL, "[300, 400]")


@pytest.mark.parametrize("token", [400, 65535])
def test_token_out_of_range(project, token):
    example = plant(project, token, document=30, position=5)
    message = project.fails("tokenize")
    caught(message, "tokenize", "documents.out_of_range", SET, "1 of", "such as 1", example)
    caught(message, "tokenize", "documents.round_trip", SET, '"undecodable"', example)


def test_round_trip_that_changes_text(project):
    tokens = np.fromfile(project.root / "data/tokens/train-00000.bin", "<u2")
    example = plant(project, int(tokens[3]) + 1, document=0, position=3)
    message = project.fails("tokenize")
    caught(message, "tokenize", "documents.round_trip", SET, "1 of", '"changed"', example)
    assert message.startswith("gate@tokenize failed: 1 of ")


def test_tokenizer_that_loses_text(project):
    """A lossy model (here one that collapses spaces) over the same ids: what comes back is not the text."""
    project.edit("data/dedupe/documents.parquet", lambda rows: rows[2].update(text=rows[2]["text"] + "  two"))
    caught(project.fails("tokenize"), "tokenize", "documents.round_trip", SET, "1 of", '"changed"')


def test_end_of_text_inside_a_document(project):
    example = plant(project, 1, document=3, position=2)
    caught(project.fails("tokenize"), "tokenize", "documents.end_of_text", SET, "such as 2", example)


def test_end_of_text_missing(project):
    example = plant(project, 300, document=3, position=-1)  # the last token of the document before
    message = project.fails("tokenize")
    caught(message, "tokenize", "documents.last_is_eos", SET, "1 of", "such as false")
    assert example not in message


@pytest.mark.parametrize(
    ("count", "other"), [("tokens", "index_tokens"), ("documents", "text_documents"), ("bytes", "text_bytes")]
)
def test_counts_of_meta_that_do_not_add_up(project, count, other):
    project.edit_json("data/tokens/meta.json", lambda meta: meta["splits"]["test"].update({count: 7}))
    message = project.fails("tokenize")
    caught(message, "tokenize", f"splits.{count}", EQUAL, "1 of 3", "[7, ", "examples: test")
    assert f'"column_B": "{other}"' in message


def test_index_that_disagrees_with_the_shards(project):
    project.edit(INDEX, lambda rows: rows[0].update(tokens=rows[0]["tokens"] - 1))
    message = project.fails("tokenize")
    caught(message, "tokenize", "shards.tokens", EQUAL, "1 of")
    caught(message, "tokenize", "documents.gap", SET, "1 of", "such as 1")
    caught(message, "tokenize", "splits.tokens", EQUAL, "1 of 3")


def test_shard_cut_short(project):
    path = project.root / "data/tokens/validation-00000.bin"
    path.write_bytes(path.read_bytes()[:-3])
    message = project.fails("tokenize")
    caught(message, "tokenize", "shards.torn_bytes", SET, "such as 1", "validation-00000.bin")
    caught(message, "tokenize", "splits.tokens", EQUAL, "validation")


def test_shard_gone(project):
    (project.root / "data/tokens/test-00000.bin").unlink()
    message = project.fails("tokenize")
    caught(message, "tokenize", "splits.shards", EQUAL, "[1, 0]", "examples: test")
    caught(message, "tokenize", "shards.tokens", EQUAL, "test-00000.bin")


def test_document_not_tokenized(project):
    gone = []
    project.edit(INDEX, lambda rows: gone.append(rows.pop(9)["id"]))
    caught(project.fails("tokenize"), "tokenize", "flow.outcome", SET, '"lost"', gone[0])


def test_document_in_another_split_than_dedupe_gave(project):
    project.edit("data/dedupe/documents.parquet", setter(3, split="test"))
    caught(project.fails("tokenize"), "tokenize", "documents.split", EQUAL, '["train", "test"]')


def test_train_text_beyond_the_budget_is_unchecked(project, monkeypatch):
    from gptmill.gates.views import tokenize

    monkeypatch.setattr(tokenize, "ROUND_TRIP_BYTES", 1000)
    outcomes = tokenize.tables(project.root)["documents"].groupby("split")["round_trip"].unique()
    assert list(outcomes["train"]) == ["same", "unchecked"]
    assert list(outcomes["validation"]) == list(outcomes["test"]) == ["same"]
