"""The stage clean: nothing lost, reasons named, the same bytes twice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.clean import CLEANED, DROPPED, clean
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.pii import NOTHING
from gptmill.corpus.signals import PII_KINDS
from gptmill.corpus.visit import clean_text
from gptmill.errors import UserError
from gptmill.params.clean import Clean, Threshold

LEFTOVER = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
PROSE = "The array that you pass to this function has to be sorted, and it is returned with its shape."
TEXTS = [
    (f"{PROSE}\r\nWrite to author@example.org\x07.", {"kind": "docstrings"}),
    (">>> only(code)\n1", {"kind": "docstrings"}),
    ("Too short.", {"kind": "docstrings"}),
    (f"{PROSE} >>> in a file, code stays.", {"kind": "files"}),
    ("Project Gutenberg's licence", {"kind": "files", "section": "gutenberg_header"}),
    (
        f"Produced by A. Volunteer and the Project Gutenberg team\n\n{PROSE}",
        {"kind": "files", "section": "body"},
    ),
]
PARAMS = Clean(
    replace_pii=True, preset="none", rules={"n_words": Threshold(min=5), "stop_words": Threshold(min=2)}
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return collected(tmp_path, TEXTS)


def collected(tmp_path: Path, texts: list[tuple[str, dict[str, str]]], lang: str = "und") -> Path:
    rows = [
        {"id": document_id(text), "text": text, "source": "s", "uri": f"file:{i}", "licence": "CC0-1.0"}
        | {"origin": "real", "lang": lang, "meta": sorted(({"group": "g"} | meta).items())}
        for i, (text, meta) in enumerate(texts)
    ]
    folder = tmp_path / "collect"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, DOCUMENT), folder / "documents.parquet")
    return folder


def run(
    source: Path, out: Path, params: Clean = PARAMS
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    out.mkdir()
    clean(params, source, out)
    tables = [pq.read_table(out / f"{name}.parquet") for name in ("documents", "dropped")]
    assert [table.schema for table in tables] == [CLEANED, DROPPED]
    return tables[0].to_pylist(), tables[1].to_pylist()


def test_every_document_is_kept_or_dropped_with_its_reason(source: Path, tmp_path: Path) -> None:
    kept, dropped = run(source, tmp_path / "clean")
    ids = [document_id(text) for text, _ in TEXTS]
    assert sorted([row["id"] for row in kept + dropped]) == sorted(ids)
    assert {row["id"]: row["text"] for row in kept} == {
        ids[0]: f"{PROSE}\nWrite to [EMAIL].",
        ids[3]: f"{PROSE} >>> in a file, code stays.",
        ids[5]: PROSE,
    }
    assert {row["id"]: row["reason"] for row in dropped} == {
        ids[1]: "empty",
        ids[2]: "n_words",
        ids[4]: "gutenberg_boilerplate",
    }
    assert [row["id"] for row in kept] == sorted(row["id"] for row in kept)
    assert json.loads((tmp_path / "clean/pii.json").read_text()) == dict.fromkeys(PII_KINDS, 0) | {"email": 1}


def test_languages_boilerplate_and_c4_lines(tmp_path: Path) -> None:
    footer = "You can read more of these stories on our site."
    texts = [
        f"It was a story about the house and the garden.\n{footer}\nMenu",
        f"This was another story, about the hill and the river.\n{footer}",
        f"Das ist eine Geschichte über das Haus und den Garten hinter dem Haus.\n{footer}"[:71],
    ]
    source = collected(tmp_path, [(text, {}) for text in texts])
    raw = {"replace_pii": True, "preset": "none", "languages": ["en"], "c4_lines": True}
    raw |= {"boilerplate": {"min_words": 5, "max_documents": 1}}
    kept, dropped = run(source, tmp_path / "clean", Clean.model_validate(raw))
    assert {row["text"]: row["boilerplate_parts"] for row in kept} == {
        "It was a story about the house and the garden.": 1,
        "This was another story, about the hill and the river.": 1,
    }
    assert {row["lang"] for row in kept} == {"en"}
    assert [(row["reason"], row["lang"]) for row in dropped] == [("language", "de")]


def test_a_language_that_the_source_names_is_believed(tmp_path: Path) -> None:
    source = collected(tmp_path, [(PROSE, {})], lang="en-GB")
    params = Clean(replace_pii=True, preset="none", languages=["en"])
    kept, _ = run(source, tmp_path / "clean", params)
    assert [row["lang"] for row in kept] == ["en-GB"]


def test_same_bytes_twice(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "one")
    run(source, tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["documents.parquet", "dropped.parquet", "pii.json"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_personal_data_stays_where_the_parameters_say_so() -> None:
    assert clean_text("a@b.org", "files", None, replace_pii=False) == ("a@b.org", (0, 1, 0, 0, 0, 0))


def test_without_collect_the_message_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the stage collect first"):
        clean(PARAMS, tmp_path, tmp_path)


AWKWARD = st.text(st.sampled_from("ab1. :`~*_->=+\n\r\t@&;<#x\x85\x93\x07Ã©\u200b")) | st.text()


@settings(max_examples=300, deadline=None)
@given(AWKWARD, st.sampled_from(["docstrings", "files"]), st.sampled_from([None, "body"]))
def test_cleaning_clean_text_changes_nothing(text: str, kind: str, section: str | None) -> None:
    once = clean_text(text, kind, section, replace_pii=True).text
    assert clean_text(once, kind, section, replace_pii=True) == (once, NOTHING)
    assert not LEFTOVER.search(once)
