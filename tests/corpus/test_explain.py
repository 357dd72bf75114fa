"""`gptmill explain` on documents of every fate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Planted, plant

from gptmill.corpus.explain.command import explain
from gptmill.corpus.explain.diff import COMPARED, WIDTH, diff
from gptmill.corpus.explain.lookup import fates, find, select
from gptmill.corpus.explain.show import lines
from gptmill.corpus.explain.trace import trace
from gptmill.errors import UserError
from gptmill.params.clean import Threshold

LIMITS = {"n_words": Threshold(min=5, max=1000), "symbol_word_ratio": Threshold(max=0.1)}
TEXT = "the quick brown fox jumps over the lazy dog. "
KEPT = Planted(TEXT * 3, uri="pkg:a#f", repeats=["pkg:a#g"], split="test")
EDITED = Planted(
    f"{TEXT}\r\n  x = 1\r\nmore of it here", cleaned=f"{TEXT}\nmore of it here", uri="file:b.txt#2"
)
SHORT = Planted("# ## words", rule="n_words", uri="file:b.txt#10")
EMPTY = Planted("x=1", cleaned="", rule="empty", uri="file:b.txt#1")
NEAR = Planted(TEXT * 3 + "and so on", copy_of=KEPT.text, similarity=0.64)
EXACT = Planted((TEXT * 3).upper(), copy_of=KEPT.text, reason="exact", similarity=1.0)
TOLD = Planted(TEXT * 4, reason="contaminated:trec", similarity=0.5)
HOSTILE = Planted(f"{TEXT}\x1b]0;gone\x07 \x00\u202e", cleaned=TEXT, uri="file:\x1b[2J.txt")
SHUT_OUT = {
    "id": "f" * 32,
    "source": "books",
    "uri": "file:cap.txt",
    "licence": "MIT",
    "meta": [],
    "reason": "cap",
}
ANY = pc.scalar(True)
PLANTED = [KEPT, EDITED, SHORT, EMPTY, NEAR, EXACT, TOLD, HOSTILE]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "dvc.yaml").touch()
    (root / "params.yaml").write_bytes((Path(__file__).parents[2] / "params.yaml").read_bytes())
    fillers = [Planted(f"{TEXT} {i}", uri=f"file:filler{i}") for i in range(40)]
    return plant(root / "data", [*PLANTED, *fillers], shut_out=[SHUT_OUT])


def told(data: Path, document: str, **options: int | None) -> str:
    return "\n".join(lines(trace(data, document, LIMITS, 0.7, **options)))


def test_a_document_that_is_kept(data: Path) -> None:
    found = trace(data, KEPT.id, LIMITS, 0.7)
    assert [found[stage]["state"] for stage in ("collect", "clean", "dedupe")] == ["kept"] * 3
    assert found["collect"]["also_at"] == [{"source": "books", "uri": "pkg:a#g"}]
    assert found["clean"]["signals"][0] == {
        "signal": "n_words", "value": 27, "min": 5, "max": 1000, "passes": True,
    }  # fmt: skip
    assert found["clean"]["signals"][1]["passes"] is None
    assert {member["id"] for member in found["dedupe"]["others"]["first"]} == {NEAR.id, EXACT.id}
    said = told(data, KEPT.id)
    assert "kept, in the split test" in said
    assert "cleaning changed nothing" in said
    assert "it stands for: 2 documents" in said


def test_what_cleaning_changed(data: Path) -> None:
    said = told(data, EDITED.id)
    assert "what cleaning changed (line ends became line feeds):" in said
    assert "          -  x = 1\n" in said
    assert "           more of it here" in said


def test_the_rule_that_dropped_it_and_others_that_it_fails(data: Path) -> None:
    found = trace(data, SHORT.id, LIMITS, 0.7)
    assert (found["clean"]["reason"], found["clean"]["fails"]) == (
        "n_words",
        ["n_words", "symbol_word_ratio"],
    )
    assert found["clean"]["agrees"]
    assert found["dedupe"] == {"state": "unread"}
    said = told(data, SHORT.id)
    assert "clean     dropped by n_words = 3, below min 5" in said
    assert "it also fails symbol_word_ratio" in said
    assert "✗ n_words" in said
    assert "dedupe    did not come this far" in said
    assert "clean     dropped by empty" in told(data, EMPTY.id)


def test_rules_that_are_newer_than_the_tables(data: Path) -> None:
    assert not trace(data, SHORT.id, {"n_words": Threshold(min=2)}, 0.7)["clean"]["agrees"]
    assert trace(data, EMPTY.id, LIMITS, 0.7)["clean"]["agrees"]  # "empty" is no limit on a signal
    newer = trace(data, KEPT.id, {"n_words": Threshold(min=100)}, 0.7)
    assert "params.yaml's rules decide otherwise today" in "\n".join(lines(newer))


def test_a_copy_names_its_original_the_similarity_and_the_difference(data: Path) -> None:
    found = trace(data, NEAR.id, LIMITS, 0.7)["dedupe"]
    assert (found["state"], found["reason"], found["kept_id"]) == ("dropped", "near", KEPT.id)
    assert (found["similarity"], found["kept_uri"]) == (0.64, "pkg:a#f")
    assert found["joined_by_a_third"]
    assert [member["id"] for member in found["others"]["first"]] == [EXACT.id]
    said = told(data, NEAR.id)
    assert "dropped as near duplicate, similarity 0.6400, of" in said
    assert "a third document is like both" in said
    assert "--- the document kept" in said
    assert "and so on" in said
    assert "third" not in told(data, EXACT.id)


def test_contamination_names_the_task(data: Path) -> None:
    said = told(data, TOLD.id)
    assert "contaminated: shares text with the examples of trec, most with\n          trec.tsv:17\n" in said
    assert "12 n-grams in both, 0.500 of the shorter of the two" in said


def test_what_collect_shut_out(data: Path) -> None:
    said = told(data, SHUT_OUT["id"])
    assert "collect   dropped: cap" in said
    assert "file:cap.txt" in said
    assert find(data, "file:cap.txt") == [SHUT_OUT["id"]]


def test_only_some_stages_have_run(tmp_path: Path) -> None:
    collected = plant(tmp_path / "one", [KEPT], stages=["collect"])
    assert [trace(collected, KEPT.id, LIMITS, 0.7)[s]["state"] for s in ("clean", "dedupe")] == [
        "not run"
    ] * 2
    assert "clean     not run yet: `dvc repro clean`" in told(collected, KEPT.id)
    plant(collected, [SHORT], stages=["clean"])
    assert trace(collected, KEPT.id, LIMITS, 0.7)["clean"]["state"] == "missing"
    with pytest.raises(UserError, match="run `dvc repro collect` first"):
        find(tmp_path / "nothing", "abc")


def test_documents_are_found_by_id_beginning_and_uri(data: Path) -> None:
    assert find(data, NEAR.id) == [NEAR.id]
    assert find(data, NEAR.id[:12]) == [NEAR.id]
    assert find(data, "pkg:a#f") == [KEPT.id]
    assert find(data, "pkg:a#g") == [KEPT.id]  # a repeat has the id of the text that was collected
    assert set(find(data, "file:b.txt")) == {EDITED.id, SHORT.id, EMPTY.id}


def test_files_of_one_name_in_two_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (Planted(f"{TEXT} {i}", source=f"s{i}", uri="file:a.txt") for i in (1, 2))
    split = [Planted(f"{TEXT} {i}", source="s3", uri=f"file:a.txt#{i}") for i in (3, 10)]
    inner = Planted(f"{TEXT} inner", source="s2", uri="file:a.txt#f", rule="n_words")
    again = [Planted(f"{TEXT} {i}", source="s4", uri="file:a.txt") for i in "ab"]  # a function defined twice
    data = plant(tmp_path / "data", [other, *split, one, inner, *again])
    pieces = fates(data, "file:a.txt")
    assert [piece["id"] for piece in pieces] == [
        *(document.id for document in (one, other, *split)),
        *sorted(document.id for document in again),
    ]
    assert [piece["source"] for piece in pieces] == ["s1", "s2", "s3", "s3", "s4", "s4"]
    assert find(data, "file:a.txt") == sorted(piece["id"] for piece in pieces)
    explain(tmp_path, "file:a.txt", full=False, as_json=False)
    head, *rest = capsys.readouterr().out.splitlines()
    assert head == "file:a.txt is where 6 documents stand:"
    assert rest[0] == f"{one.id}  dedupe   {'kept: train':<32}  s1  file:a.txt"


def test_names_as_they_are_typed(tmp_path: Path) -> None:
    spaced = Planted(TEXT, uri="file:a%20b.jsonl#1")
    data = plant(tmp_path, [spaced])
    assert find(data, spaced.id[:9].upper()) == [spaced.id]
    assert find(data, "file:a b.jsonl") == find(data, "file:a b.jsonl#1") == [spaced.id]
    with pytest.raises(UserError, match=r"Uris that contain it: file:a%20b\.jsonl#1"):
        find(data, "a b.jsonl")


def test_what_is_not_there_is_told_with_the_nearest(data: Path) -> None:
    with pytest.raises(
        UserError, match=f"no document has an id that begins with {NEAR.id[:8]}.*Nearest: {NEAR.id}"
    ):
        find(data, NEAR.id[:8] + "0" * 24 if NEAR.id[8] != "0" else NEAR.id[:8] + "1" * 24)
    with pytest.raises(UserError, match=r"Uris that contain it: .*file:b\.txt#2"):
        find(data, "B.TXT")
    with pytest.raises(UserError, match=r"such as [0-9a-f]{32} or "):
        find(data, "nothing like it")
    ((digit, count),) = Counter(row["id"][0] for row in select(data, "clean/documents", ANY)).most_common(1)
    assert count > 1
    with pytest.raises(
        UserError, match=f"{digit} begins the ids of more than one document: {digit}.*Give more"
    ):
        find(data, digit)


def run(data: Path, *args: str) -> tuple[int, str, str]:
    """In a process of its own: a command leaves for good where Daft was imported, as other tests do."""
    command = [sys.executable, "-c", "from gptmill.cli import main; main()", "explain", *args]
    done = subprocess.run(command, cwd=data.parent, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_the_command(data: Path) -> None:
    code, out, _ = run(data, KEPT.id[:10])
    assert (code, out.split("\n")[0]) == (0, KEPT.id)
    code, out, _ = run(data, "pkg:a#f", "--json")
    assert json.loads(out)["collect"]["licence"] == "MIT"
    code, out, _ = run(data, "file:b.txt")
    assert [line.split("#")[1] for line in out.splitlines()[1:]] == ["1", "2", "10"]
    assert "dropped: n_words" in out
    code, out, _ = run(data, "--reason", "near", "--limit", "5")
    assert out.splitlines() == [f"{NEAR.id}  dedupe near  0.640 to {KEPT.id}  file:{NEAR.id[:6]}.txt"]
    code, out, _ = run(data, "--reason", "contaminated", "--json")
    assert [row["id"] for row in json.loads(out)] == [TOLD.id]
    code, _, err = run(data, "--reason", "nera")
    assert code == 1
    assert 'did you mean "near"?' in err
    assert "n_words (1)" in err
    code, _, err = run(data)
    assert "give either an ID" in err


def test_a_terminal_is_not_written_to_by_documents(data: Path) -> None:
    said = told(data, HOSTILE.id)
    assert "\\x1b]0;gone\\x07 \\x00\\u202e" in said
    assert "file:\\x1b[2J.txt" in said
    assert not any(char in said for char in "\x1b\x07\x00\u202e")


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_texts_have_a_diff(before: str, after: str) -> None:
    found = diff(before, after, ("one", "other"))
    assert bool(found.lines or found.remark) == (before != after) or before.replace("\r", "\n") == after
    assert all(len(line) <= WIDTH and "\n" not in line for line in found.lines)
    assert len(found.lines) <= 40


def test_a_long_diff_is_cut_and_a_huge_text_is_quick() -> None:
    before = "\n".join(f"line {i}" for i in range(100_000))
    after = before.replace("7", "seven")
    found = diff(before, after, ("one", "other"))
    assert len(found.lines) == 40
    assert found.left_out > 1000
    assert f"compared up to {COMPARED:,} lines" in found.remark
    assert diff(before, before, ("one", "other")).lines == []
    assert diff("x" * 10**7, "x" * 10**7 + "y", ("one", "other")).lines
    late = "\n".join(["same"] * 50_000)
    assert diff(f"{late}\nold", f"{late}\nnew", ("one", "other")).lines[2].startswith("@@ -49999")


def test_a_long_line_is_compared_by_sentences() -> None:
    before = " ".join(f"Sentence number {i} stands here." for i in range(50))
    found = diff(before, before.replace("number 30", "number thirty"), ("one", "other"))
    assert "-Sentence number 30 stands here." in found.lines
    assert len(found.lines) < 12
