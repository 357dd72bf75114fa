import gzip
import json
import os
import random
from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.dedupe import DOCUMENTS, DROPPED, dedupe
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.near_duplicates import check_kept, cluster
from gptmill.corpus.numbered import sorted_by_id
from gptmill.errors import UserError
from gptmill.params.dedupe import Decontaminate, Dedupe

PARAMS = Dedupe(ngram_size=5, bands=30, rows=5, similarity=0.7, validation_fraction=0.1, test_fraction=0.1)
RULE = Decontaminate(ngram=13, min_share=0.2, max_documents=10, splits=["test", "validation"], against=[])
DECONTAMINATED = PARAMS.model_copy(update={"decontaminate": RULE})
SHARED = Path(os.environ.get("GPTMILL_SHARED", Path(__file__).parents[3] / "shared"))
LABELLED = SHARED / "bench" / "near_duplicates"


def prose(rng, n):
    return [f"w{rng.randrange(3000)}" for _ in range(n)]


def edited(rng, word_list, rate):
    return [f"e{rng.randrange(10**6)}" if rng.random() < rate else word for word in word_list]


def row(text):
    fixed = {"source": "s", "uri": "file:s.txt", "licence": "MIT", "origin": "real", "lang": "en"}
    return {"id": document_id(text), "text": text, **fixed, "meta": [("group", "g")], "n_words": 1}


def write(path, texts, row_group_size=7):
    schema = DOCUMENT.append(pa.field("n_words", pa.int64()))
    table = pa.Table.from_pylist([row(text) for text in texts], schema)
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def run(tmp_path, texts, params=PARAMS, seed=1):
    """Both outs of `texts`, as {text's id: row}."""
    out, reports = tmp_path / "out", tmp_path / "reports"
    for folder in (out, reports):
        folder.mkdir(parents=True, exist_ok=True)
    dedupe(params, seed, write(tmp_path / "documents.parquet", texts), out, reports)
    return tuple(
        {r["id"]: r for r in pq.read_table(out / name).to_pylist()}
        for name in ("documents.parquet", "dropped.parquet")
    )


def filler(n=12):
    rng = random.Random(99)
    return [" ".join(prose(rng, 60)) for _ in range(n)]


def test_exact_copies_differ_in_case_and_white_space_only(tmp_path):
    texts = ["One two  three four five six.", "one TWO three\nfour five six.", "one two three four five six"]
    kept, dropped = run(tmp_path, texts + filler())
    longest = document_id(texts[0])
    assert longest in kept
    assert {i: (r["reason"], r["similarity"], r["kept_id"]) for i, r in dropped.items()} == {
        document_id(texts[1]): ("exact", 1.0, longest),
        document_id(texts[2]): ("near", 1.0, longest),
    }


def test_a_chain_is_one_cluster_and_records_true_similarities(tmp_path):
    # A sliding window: neighbours share most shingles, the ends few.
    text = [f"w{i:03}" for i in range(150)]
    chain = [" ".join(text[i : i + 100]) + "." * (i == 0) for i in (0, 14, 28)]
    kept, dropped = run(tmp_path, chain + filler())
    longest = document_id(chain[0])
    assert longest in kept
    assert {r["kept_id"] for r in dropped.values()} == {longest}
    shared = {14: 82 / 110, 28: 68 / 124}
    for start, text_ in zip((14, 28), chain[1:], strict=True):
        assert dropped[document_id(text_)]["similarity"] == pytest.approx(shared[start])
    assert shared[28] < PARAMS.similarity


def test_documents_shorter_than_a_shingle(tmp_path):
    texts = ["tiny text", "Tiny, text!", "other text", "!!!", "???", "数组", "数组!"]
    kept, dropped = run(tmp_path, texts + filler())
    assert {i: r["kept_id"] for i, r in dropped.items()} == {
        document_id("tiny text"): document_id("Tiny, text!"),
        document_id("数组"): document_id("数组!"),
    }
    assert {document_id(t) for t in ("!!!", "???", "other text")} <= set(kept)


def corpus(seed=0, bases=150):
    """Texts with copies of known edit rates, and the ids of each copy's source."""
    rng = random.Random(seed)
    texts, source = [], {}
    for i in range(bases):
        word_list = prose(rng, rng.randrange(60, 200))
        texts.append(" ".join(word_list))
        if i % 3 == 0:
            copy = " ".join([*edited(rng, word_list, (0.0, 0.01, 0.02)[i // 3 % 3]), "end"])
            source[document_id(copy)] = document_id(texts[-1])
            texts.append(copy)
    return texts, source


def test_recall_and_precision_on_a_generated_corpus(tmp_path):
    texts, source = corpus()
    kept, dropped = run(tmp_path, texts)
    pairs = {frozenset(pair) for pair in source.items()}
    removed = {frozenset((i, r["kept_id"])) for i, r in dropped.items()}
    assert removed <= pairs
    assert len(removed) >= 0.9 * len(pairs)  # the rest lie below the threshold
    assert len(kept) + len(dropped) == len(texts)


def test_every_removed_documents_match_is_kept_and_no_cluster_is_split(tmp_path):
    kept, dropped = run(tmp_path, corpus()[0])
    assert all(r["cluster"] == i for i, r in kept.items())
    assert {r["split"] for r in kept.values()} == {"train", "validation", "test"}
    for removed in dropped.values():
        assert removed["cluster"] == removed["kept_id"]
        assert removed["split"] == kept[removed["kept_id"]]["split"]


def test_a_match_that_is_dropped_itself_is_a_bug():
    check_kept(np.array([0, 0, 2]))
    with pytest.raises(AssertionError, match="dropped"):
        check_kept(np.array([1, 2, 2]))


def written(folder, texts, params=PARAMS, **options):
    """The bytes of all outs and reports."""
    out, reports = folder / "out", folder / "reports"
    for made in (out, reports):
        made.mkdir(parents=True)
    dedupe(params, 1, write(folder / "documents.parquet", texts, **options), out, reports)
    return {p.name: p.read_bytes() for made in (out, reports) for p in sorted(made.iterdir())}


def test_the_order_of_rows_and_the_cut_of_the_file_do_not_show_in_the_bytes(tmp_path):
    texts, _ = corpus(bases=60)
    in_order = sorted(texts, key=document_id)
    expected = written(tmp_path / "a", in_order, DECONTAMINATED)
    assert set(expected) == {"documents.parquet", "dropped.parquet", "metrics.json", "s_curve.csv"}
    assert written(tmp_path / "b", in_order, DECONTAMINATED, row_group_size=10**6) == expected
    for seed in (1, 2):
        random.Random(seed).shuffle(texts)
        folder = tmp_path / str(seed)
        assert written(folder, texts, DECONTAMINATED, row_group_size=1 + 30 * seed) == expected


def test_batches_that_come_in_another_order_change_nothing(tmp_path, monkeypatch):
    texts, _ = corpus(bases=60)
    expected = written(tmp_path / "a", texts, DECONTAMINATED)
    read = daft.DataFrame.to_arrow_iter

    def backwards(self, *arguments, **options):
        batches = [b.slice(i, 5) for b in read(self, *arguments, **options) for i in range(0, len(b), 5)]
        return iter(batches[::-1])

    monkeypatch.setattr(daft.DataFrame, "to_arrow_iter", backwards)
    monkeypatch.setattr("gptmill.corpus.engine.write_sorted", None)  # the source is sorted already
    in_order = sorted(texts, key=document_id)
    assert written(tmp_path / "b", in_order, DECONTAMINATED) == expected


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.text(max_size=40), min_size=3, max_size=25, unique=True), st.randoms(use_true_random=False)
)
def test_any_unicode_is_accounted_for_and_gives_the_same_bytes(tmp_path_factory, texts, rng):
    texts += [text.upper() for text in texts if text.upper() not in texts]
    texts = list(dict.fromkeys([*texts, *("a b", "c d", "e f")]))
    folder = tmp_path_factory.mktemp("any")
    first = written(folder / "1", texts, DECONTAMINATED)
    rng.shuffle(texts)
    assert written(folder / "2", texts, DECONTAMINATED, row_group_size=3) == first
    kept, dropped = (
        {r["id"]: r for r in pq.read_table(folder / "1" / "out" / f"{name}.parquet").to_pylist()}
        for name in ("documents", "dropped")
    )
    assert sorted([*kept, *dropped]) == sorted(map(document_id, texts))
    assert all(r["kept_id"] in kept for r in dropped.values())
    texts_of = {document_id(text): text for text in texts}
    for name, one in dropped.items():
        if one["reason"] == "exact":
            a, b = (" ".join(texts_of[i].lower().split()) for i in (name, one["kept_id"]))
            assert len(a) == len(b) or not a.isascii()  # Rust and Python lower some letters differently


def test_the_better_of_two_equally_long_texts_stays(tmp_path):
    texts = ["The same words, twice over, here.", "the same words, twice over, here."]
    rows = [row(text) for text in [*texts, *filler()]]
    schema = pa.schema(
        [
            *DOCUMENT,
            pa.field("terminal_punctuation_lines_ratio", pa.float64()),
            pa.field("stop_words", pa.int64()),
        ]
    )
    out, reports = tmp_path / "out", tmp_path / "reports"
    for made in (out, reports):
        made.mkdir()
    for figures in ([(0.5, 1), (0.5, 2)], [(0.5, 2), (None, 3)], [(0.6, 1), (0.5, 9)]):
        for one, (ends, stops) in zip(rows, figures, strict=False):
            one.update(terminal_punctuation_lines_ratio=ends, stop_words=stops)
        pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "documents.parquet")
        dedupe(PARAMS, 1, tmp_path / "documents.parquet", out, reports)
        better = texts[int(figures[0] < (figures[1][0] or 0, figures[1][1]))]
        (gone,) = pq.read_table(out / "dropped.parquet").to_pylist()
        assert gone["kept_id"] == document_id(better)


def test_the_report_says_what_went_and_how_pairs_are_found(tmp_path):
    texts, _ = corpus(bases=60)
    kept, dropped = run(tmp_path, texts)
    report = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert report["documents"] == len(texts)
    assert (report["kept"], report["near"], report["exact"]) == (len(kept), len(dropped), 0)
    assert sum(report["splits"].values()) == len(kept)
    assert (report["bands"], report["rows"]) == (30, 5)
    curve = (tmp_path / "reports" / "s_curve.csv").read_text().splitlines()
    assert curve[0] == "similarity,compared"
    assert [curve[1], curve[36], curve[-1]] == ["0.0,0.000000", "0.7,0.995995", "1.0,1.000000"]


def test_scratch_files_are_gone(tmp_path):
    run(tmp_path, filler())
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["documents.parquet", "dropped.parquet"]


def test_schemas_order_and_every_column_carried_over(tmp_path):
    texts, _ = corpus(bases=40)
    run(tmp_path, texts)
    for name, schema in (("documents", DOCUMENTS), ("dropped", DROPPED)):
        table = pq.read_table(tmp_path / "out" / f"{name}.parquet")
        assert table.schema.equals(schema)
        assert table["id"].to_pylist() == sorted(table["id"].to_pylist())
    first = pq.read_table(tmp_path / "out" / "documents.parquet").to_pylist()[0]
    expected = row(first["text"])
    assert all(first[column] == expected[column] for column in DOCUMENT.names)


def test_growth_keeps_every_split(tmp_path):
    texts, _ = corpus(bases=200)
    small, _ = run(tmp_path / "a", filler(120))
    grown, _ = run(tmp_path / "b", filler(120) + texts)
    assert {i: grown[i]["split"] for i in small} == {i: r["split"] for i, r in small.items()}


def test_too_few_documents_or_repeated_ids_are_the_users_errors(tmp_path):
    with pytest.raises(UserError, match="1 distinct document"):
        run(tmp_path, ["Same text here.", "same text here."])
    for texts in (["twice", "twice", "once"], ["twice", "once", "twice"]):
        with pytest.raises(UserError, match=document_id("twice")):
            run(tmp_path, texts)
    with pytest.raises(UserError, match=r"nothing\.parquet does not exist"):
        dedupe(PARAMS, 1, tmp_path / "nothing.parquet", tmp_path, tmp_path)


@pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled corpus of near-duplicates is not here")
def test_the_labelled_corpus(tmp_path):
    with gzip.open(LABELLED / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    labels = [json.loads(line) for line in (LABELLED / "labels.jsonl").open(encoding="utf-8")]
    corpus = tmp_path / "corpus.parquet"
    pq.write_table(
        pa.table({"id": [d["id"] for d in documents], "text": [d["text"] for d in documents]}), corpus
    )
    corpus, _ = sorted_by_id(corpus, tmp_path)
    found = cluster(corpus, PARAMS, seed=1, scratch=tmp_path)
    ids = pq.read_table(corpus, columns=["id"])["id"].to_pylist()
    kept = dict(zip(ids, found.kept.tolist(), strict=True))
    wrong = [
        label
        for label in labels
        if (kept[label["dup"]] == kept[label["src"]]) != (label["jaccard5"] >= PARAMS.similarity)
    ]
    # Four are known: three texts with Chinese or with ⓘ, whose words we cut otherwise than the labels'
    # \w+, and one pair at 0.7026 that no band nominates.
    assert len(wrong) <= 4, wrong
