import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_dedupe import PARAMS, filler, run

from gptmill.corpus.documents import document_id
from gptmill.corpus.examples import read_examples
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.dedupe import Decontaminate, Dedupe, TaskFile

RULE = Decontaminate(ngram=13, min_share=0.2, max_documents=10, splits=["test", "validation"], against=[])


def words(seed, n):
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(n)]


def decontaminated(tmp_path, texts, **rule):
    """Kept, dropped, and what the report says, with the rule changed."""
    params = PARAMS.model_copy(update={"decontaminate": RULE.model_copy(update=rule)})
    kept, dropped = run(tmp_path, texts, params)
    report = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert report["kept"] == len(kept)
    assert report["kept"] + report["exact"] + report["near"] + report["contaminated"] == len({*texts})
    assert report["contaminated"] == sum(r["reason"].startswith("contaminated") for r in dropped.values())
    return kept, dropped, report["decontamination"]


def task(tmp_path, lines, name="quiz", suffix=".txt", **fields):
    path = tmp_path / f"{name}{suffix}"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return TaskFile(name=name, path=str(path), **fields)


def train_text(tmp_path, texts):
    """Those of `texts` that go to the training split among the filler."""
    kept, _ = run(tmp_path / "plain", texts + filler(40))
    return [text for text in texts if kept[document_id(text)]["split"] == "train"]


def test_a_training_document_with_a_tasks_example_goes(tmp_path):
    example = words(0, 20)
    candidates = [" ".join([*words(i, 90), *example, *words(-i, 9)]) for i in range(1, 9)]
    text = train_text(tmp_path, candidates)[0]
    shouted = "“" + ", ".join(example).upper() + "!”"
    quiz = task(tmp_path, ["An unrelated example of eight words or so, yes.", shouted])
    kept, dropped, report = decontaminated(tmp_path, [text, *filler(40)], against=[quiz], splits=[])
    assert document_id(text) not in kept
    gone = dropped[document_id(text)]
    assert (gone["reason"], gone["kept_id"], gone["split"]) == ("contaminated:quiz", "2", "train")
    assert gone["cluster"] == document_id(text)
    n = report["quiz"]["ngram"]
    assert n == 9
    assert (gone["overlap"], gone["similarity"]) == (20 - n + 1, 1.0)
    assert report["quiz"]["examples"] == 2
    assert report["quiz"]["contaminated"] == report["quiz"]["overlapping_examples"] == 1


def test_a_training_document_that_overlaps_a_test_document_goes_and_names_it(tmp_path):
    shared = words(0, 40)
    texts = [" ".join([*words(i, 60), *shared]) for i in range(1, 30)]
    kept, dropped, report = decontaminated(tmp_path, texts + filler(40), max_documents=30)
    assert {kept[i]["split"] for i in map(document_id, texts) if i in kept} == {"validation", "test"}
    gone = [dropped[i] for i in map(document_id, texts) if i in dropped]
    assert gone
    for row in gone:
        reason, side = row["reason"].split(":")
        assert reason == "contaminated"
        assert kept[row["kept_id"]]["split"] == side
        assert row["overlap"] == 40 - 13 + 1
        assert row["similarity"] == pytest.approx(28 / 88)
    assert sum(x["contaminated"] for x in report.values()) == len(gone)


def test_twelve_words_are_no_overlap_and_thirteen_are(tmp_path):
    example = words(0, 200)
    twelve, thirteen = (
        train_text(
            tmp_path / str(n), [" ".join([*words(i, 9), *example[:n]]) for i in range(n * 9, n * 9 + 9)]
        )
        for n in (12, 13)
    )
    quiz = task(tmp_path, [" ".join(example)])
    texts = [twelve[0], thirteen[0], *filler(40)]
    for share, gone in ((0.0, True), (0.1, True), (0.11, False)):  # one of ten n-grams
        rule = {"against": [quiz], "splits": [], "min_share": share}
        kept, _, _ = decontaminated(tmp_path, texts, **rule)
        assert document_id(twelve[0]) in kept
        assert (document_id(thirteen[0]) not in kept) == gone


def test_stock_phrases_contaminate_nothing(tmp_path):
    phrase = words(0, 30)
    texts = train_text(tmp_path, [" ".join([*words(i, 40), *phrase]) for i in range(1, 12)])
    quiz = task(tmp_path, [" ".join(phrase)])
    for most, gone in ((len(texts) - 1, 0), (len(texts), len(texts))):
        rule = {"against": [quiz], "splits": [], "max_documents": most}
        _, _, report = decontaminated(tmp_path, texts + filler(40), **rule)
        assert report["quiz"]["contaminated"] == gone
        assert report["quiz"]["stock_phrases"] == (0 if gone else 18)


def test_a_contaminated_cluster_goes_whole(tmp_path):
    example = words(0, 30)
    originals = [" ".join([*words(i, 100), *example]) for i in range(1, 9)]
    text = train_text(tmp_path, originals)[0]
    exact, near = text.upper()[:-1] + text[-1].upper(), text.rsplit(" ", 3)[0]
    quiz = task(tmp_path, [" ".join(example)])
    texts = [text, exact, near, *filler(40)]
    kept, dropped, _ = decontaminated(tmp_path, texts, against=[quiz], splits=[])
    rows = [dropped[document_id(t)] for t in (text, exact, near)]
    assert {(r["reason"], r["kept_id"]) for r in rows} == {("contaminated:quiz", "1")}
    assert len({(r["cluster"], r["split"], r["overlap"]) for r in rows}) == 1
    assert all(r["kept_id"] in kept for r in dropped.values() if r["overlap"] is None)


def test_many_partitions_and_a_small_bitmap_change_nothing(tmp_path, monkeypatch):
    phrases = [words(i, 13 + i % 9) for i in range(40)]
    texts = [
        " ".join([*words(-i, 30), *phrases[i % 40], *phrases[i * i % 40], *words(i, 9), *phrases[i % 40]])
        for i in range(1, 120)
    ]
    quiz = task(tmp_path, [" ".join(phrase) for phrase in phrases[:20]])
    rule = {"against": [quiz], "max_documents": 5, "min_share": 0.1}
    one = decontaminated(tmp_path / "one", [*texts, *filler(40)], **rule)
    monkeypatch.setattr("gptmill.corpus.ngram_join.HELD", 16)
    monkeypatch.setattr("gptmill.corpus.ngram_join.BITMAP_BYTES", 64)
    many = decontaminated(tmp_path / "many", [*texts, *filler(40)], **rule)
    assert many == one
    for name in ("quiz", "test", "validation"):
        assert all(
            one[2][name][key] for key in ("ngrams", "ngrams_in_training", "stock_phrases", "contaminated")
        )
    assert (tmp_path / "one/out/dropped.parquet").read_bytes() == (
        tmp_path / "many/out/dropped.parquet"
    ).read_bytes()


def test_files_of_every_kind_are_read(tmp_path):
    texts = [" ".join(words(i, 14)) for i in range(3)]
    pq.write_table(pa.table({"q": texts, "n": [1, 2, 3]}), tmp_path / "p.parquet")
    files = [
        task(tmp_path, texts, "txt"),
        task(tmp_path, ["s\tq", *(f'"x\t{t}' for t in texts)], "tsv", ".tsv", columns=["q"]),
        task(tmp_path, [f"x\t1\t{t}" for t in texts], "bare", ".tsv", columns=[2]),
        task(tmp_path, [json.dumps({"q": t, "n": 1}) for t in texts], "jsonl", ".jsonl", columns=["q"]),
        TaskFile(name="parquet", path=str(tmp_path / "p.parquet"), columns=["q"]),
    ]
    _, _, report = decontaminated(tmp_path, filler(12), against=files, splits=[])
    assert {(x["examples"], x["ngrams"], x["too_short"]) for x in report.values()} == {(3, 6, 0)}
    assert list(report) == sorted(["txt", "tsv", "bare", "jsonl", "parquet"])


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.txt", "one\n\n{long}\n", []),
        ("a.tsv", "q\tn\none\t1\n\n{long}\t2\n\n", ["q"]),
        ("a.tsv", "one\t1\r\n\r\n{long}\t2", [0]),
        ("a.jsonl", '{{"q": "one"}}\n\n{{"q": "{long}"}}\n \n', ["q"]),
    ],
)
def test_boms_blank_lines_and_long_cells(tmp_path, name, text, columns):
    long = "ab " * 60_000  # csv of the standard library reads 131,072 characters
    (tmp_path / name).write_bytes(text.format(long=long).encode("utf-8-sig"))
    ids, texts = read_examples(TaskFile(name="a", path=str(tmp_path / name), columns=columns))
    found = {number: text for number, text in zip(ids, texts, strict=True) if text}
    assert found == {"1": "one", "3": long}


@pytest.mark.parametrize(
    ("name", "text", "columns", "expected"),
    [
        ("a.txt", None, [], r"against\.a: .*a\.txt does not exist"),
        ("a.txt", " \n", [], r"a\.txt holds no text"),
        ("a.txt", b"\xff\xfe", [], r"a\.txt is not UTF-8"),
        ("a.tsv", "id\tquestion\n1\tx\n", ["qestion"], r'no column "qestion"; did you mean "question"\?'),
        ("a.tsv", "1\tx\n1\n", [1], r"row 2: 1 columns, no column 1"),
        ("a.jsonl", '{"q": "x"}\n{"q": 3}\n', ["q"], r"row 2: q holds 3, which is no text"),
        ("a.jsonl", "{\n", ["q"], r"row 1: no valid JSON"),
        ("a.jsonl", "\n" + "[" * 100_000, ["q"], r"row 2: no valid JSON \(maximum recursion"),
        ("a.jsonl", '{"q": "x \\ud800"}\n', ["q"], r"row 1: q holds '\\ud800', which is half of a character"),
        ("a.jsonl", "[1]\n", ["q"], r"row 1: expected an object, found list"),
        ("a.jsonl", '{"p": "x"}\n', ["q"], r'row 1: no column "q".*Found: p'),
        ("a.parquet", b"PAR1", ["q"], r"a\.parquet is no readable Parquet file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, text, columns, expected):
    path = Path(tmp_path / name)
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=expected):
        decontaminated(tmp_path, filler(12), against=[TaskFile(name="a", path=str(path), columns=columns)])


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ({"name": "a", "path": "a.csv"}, r"a\.csv is no \.tsv, \.jsonl, \.parquet, \.txt file"),
        ({"name": "a", "path": "a.tsv"}, r"a\.tsv needs columns"),
        ({"name": "a", "path": "a.txt", "columns": ["x"]}, r"a\.txt has no columns"),
        ({"name": "a", "path": "a.jsonl", "columns": [0]}, r"numbers are for \.tsv files"),
        ({"name": "a", "path": "a.tsv", "columns": [0, "x"]}, r"names or numbers, not both"),
        ({"name": "test", "path": "a.txt"}, r"names given twice: test"),
        ({"name": "A", "path": "a.txt"}, r"against\.0\.name"),
    ],
)
def test_params_that_cannot_be(against, expected):
    rule = RULE.model_dump() | {"against": [against]}
    with pytest.raises(UserError, match=expected):
        check(
            Dedupe, {"validation_fraction": 0.1, "test_fraction": 0.1, "decontaminate": rule}, where="dedupe"
        )


def test_files_that_dvc_does_not_watch_are_named(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from pipeline.dedupe import unwatched

    tasks = [
        TaskFile(name=name, path=path)
        for name, path in (("a", "a.txt"), ("b", "x/b.txt"), ("c", "x/y/c.txt"))
    ]
    assert unwatched(tasks, ["data/clean"]) == tasks
    assert unwatched(tasks, ["data/clean", "a.txt", "x/y"]) == tasks[1:2]
