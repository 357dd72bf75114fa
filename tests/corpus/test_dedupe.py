import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.corpus.dedupe import DOCUMENTS, DROPPED, dedupe
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.near_duplicates import check_kept, cluster, sorted_by_id
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.dedupe import Dedupe

PARAMS = Dedupe(ngram_size=5, bands=30, rows=5, similarity=0.7, validation_fraction=0.1, test_fraction=0.1)
SHARED = Path(os.environ.get("GPTMILL_SHARED", Path(__file__).parents[3] / "shared"))
LABELLED = SHARED / "bench" / "near_duplicates"


def prose(rng, n):
    return [f"w{rng.randrange(3000)}" for _ in range(n)]


def edited(rng, word_list, rate):
    return [f"e{rng.randrange(10**6)}" if rng.random() < rate else word for word in word_list]


def row(text):
    fixed = {"source": "s", "uri": "file:s.txt", "licence": "MIT", "origin": "real", "lang": "en"}
    return {"id": document_id(text), "text": text, **fixed, "meta": [("group", "g")], "n_words": 1}


def write(path, texts):
    schema = DOCUMENT.append(pa.field("n_words", pa.int64()))
    pq.write_table(pa.Table.from_pylist([row(text) for text in texts], schema), path, row_group_size=7)
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


def test_the_order_of_rows_does_not_show_in_the_bytes(tmp_path):
    texts, _ = corpus(bases=60)
    written = []
    for seed in (1, 2):
        random.Random(seed).shuffle(texts)
        run(tmp_path / str(seed), texts)
        written.append([p.read_bytes() for p in sorted((tmp_path / str(seed) / "out").iterdir())])
    assert written[0] == written[1]


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
    with pytest.raises(UserError, match=document_id("twice")):
        run(tmp_path, ["twice", "twice", "once"])
    with pytest.raises(UserError, match=r"nothing\.parquet does not exist"):
        dedupe(PARAMS, 1, tmp_path / "nothing.parquet", tmp_path, tmp_path)


def test_bands_that_cannot_find_the_threshold_are_refused():
    with pytest.raises(UserError, match=r"bands = 2 and rows = 13 compare only 1\.9% of the pairs"):
        check(Dedupe, PARAMS.model_dump() | {"bands": 2, "rows": 13}, where="params.yaml: dedupe")


@pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled corpus of near-duplicates is not here")
def test_the_labelled_corpus(tmp_path):
    with gzip.open(LABELLED / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    labels = [json.loads(line) for line in (LABELLED / "labels.jsonl").open(encoding="utf-8")]
    corpus = tmp_path / "corpus.parquet"
    pq.write_table(
        pa.table({"id": [d["id"] for d in documents], "text": [d["text"] for d in documents]}), corpus
    )
    corpus, ids = sorted_by_id(corpus, tmp_path)
    found = cluster(corpus, ids, PARAMS, seed=1, scratch=tmp_path)
    kept = dict(zip(ids.to_pylist(), found.kept.tolist(), strict=True))
    wrong = [
        label
        for label in labels
        if (kept[label["dup"]] == kept[label["src"]]) != (label["jaccard5"] >= PARAMS.similarity)
    ]
    # Four are known: three texts with Chinese or with ⓘ, whose words we cut otherwise than the labels'
    # \w+, and one pair at 0.7026 that no band nominates.
    assert len(wrong) <= 4, wrong
