import random

import daft
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.minhash import (
    WINDOW,
    buckets,
    candidate_pairs,
    jaccard,
    normalised,
    shingle_sets,
    similar,
    with_bands,
    word_hashes,
    words,
)

WORDS = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), min_size=2, max_size=6)


def evaluate(expression, texts):
    return daft.from_pydict({"text": texts}).select(expression(daft.col("text")).alias("x")).to_pydict()["x"]


def shingles_of(texts, n):
    frame = daft.from_pydict({"text": texts}).select(word_hashes(daft.col("text")).alias("x"))
    return shingle_sets(frame.to_arrow()["x"].combine_chunks(), n)


def tuples(word_list, n):
    """The shingles by the definition, as tuples of words."""
    if len(word_list) < n:
        return {tuple(word_list)} if word_list else set()
    return {tuple(word_list[i : i + n]) for i in range(len(word_list) - n + 1)}


def test_normalised_is_case_and_white_space_only():
    texts = ["  The\tArray \n\nis.", "the array is.", "the array is", "STRASSE\u00a0Ä\u3000É", ""]
    assert evaluate(normalised, texts) == [
        "the array is.",
        "the array is.",
        "the array is",
        "strasse ä é",
        "",
    ]


def test_words_drop_punctuation_and_cut_scripts_without_spaces():
    texts = ["The array's `dtype`, x_1!", "数组。型 ok", "«Ünï—cödé»", "... --- !", "e\u0301te\u0301 नमस्ते"]
    expected = ["the array s dtype x_1", "数 组 型 ok", "ünï cödé", "", "e\u0301te\u0301 नमस्ते"]
    assert evaluate(words, texts) == expected


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(1, 6))
def test_jaccard_of_hashes_equals_the_set_definition(documents, n):
    sets = shingles_of([" ".join(document) for document in documents], n)
    for a, hashed_a in zip(documents, sets, strict=True):
        for b, hashed_b in zip(documents, sets, strict=True):
            either = tuples(a, n) | tuples(b, n)
            expected = len(tuples(a, n) & tuples(b, n)) / len(either) if either else 0.0
            assert jaccard(hashed_a, hashed_b) == expected
            assert similar(hashed_a, hashed_b, 0.6) == (expected >= 0.6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_unicode_has_shingles_exactly_when_it_has_words(texts):
    for text_words, found in zip(evaluate(words, texts), shingles_of(texts, 3), strict=True):
        assert len(found) == len(tuples(text_words.split(), 3))


def test_a_similarity_of_exactly_the_threshold_is_similar():
    a, b = np.arange(11, dtype=np.uint64), np.arange(20, dtype=np.uint64)
    assert similar(a, b, 0.55)
    assert not similar(a, b, 0.5500001)
    assert not similar(a[:0], b[:0], 0.55)


def test_shingle_sets_of_a_slice_are_those_of_its_rows():
    lists = pa.array([[1, 2, 3], [4, 5, 6, 7], [], [8, 9, 1, 2]], pa.large_list(pa.uint64()))
    whole = shingle_sets(lists, 2)
    assert [s.tolist() for s in shingle_sets(lists.slice(1, 3), 2)] == [s.tolist() for s in whole[1:]]


def test_candidate_pairs_are_all_pairs_of_small_buckets_in_any_order():
    members = [[3, 1, 2], [7, 5], [2, 1]]
    expected = [[1, 2], [1, 3], [2, 3], [5, 7]]
    assert candidate_pairs(pa.array(members)).tolist() == expected
    assert candidate_pairs(pa.array([m[::-1] for m in members[::-1]])).tolist() == expected


def test_a_huge_bucket_stays_connected_with_few_pairs():
    pairs = candidate_pairs(pa.array([list(range(1000))]))
    assert len(pairs) < 1000 * (WINDOW + 1)
    assert {(0, b) for b in range(1, 1000)} <= set(map(tuple, pairs.tolist()))


def test_no_buckets_no_pairs():
    assert candidate_pairs(pa.array([], pa.large_list(pa.int64()))).shape == (0, 2)


def nominated(texts, bands, rows, seed=0):
    frame = daft.from_pydict({"document": list(range(len(texts))), "text": texts})
    signed = with_bands(frame, ngram_size=5, bands=bands, rows=rows, seed=seed).select("document", "bands")
    return candidate_pairs(buckets(signed).to_arrow()["members"].combine_chunks())


def test_a_text_without_words_is_never_a_candidate():
    assert nominated(["!!!", "???", "", "a", "A."], bands=4, rows=2).tolist() == [[3, 4]]


@pytest.mark.parametrize("edits", [1, 4, 8])
def test_pairs_are_nominated_as_often_as_the_s_curve_says(edits):
    rng, pairs, bands, rows = random.Random(edits), 600, 8, 4
    texts = []
    for p in range(pairs):
        text = [f"w{p}x{i}" for i in range(100)]
        texts.append(" ".join(text))
        for i in rng.sample(range(100), edits):
            text[i] = f"edit{p}x{i}"
        texts.append(" ".join(text))
    sets = shingles_of(texts, 5)
    expected = [1 - (1 - jaccard(sets[i], sets[i + 1]) ** rows) ** bands for i in range(0, len(texts), 2)]
    found = nominated(texts, bands, rows)
    # The band index seeds its hash, and permutations differ: else the rate would be that of one band.
    assert len(found) / pairs == pytest.approx(np.mean(expected), abs=0.06)
    assert all(b == a + 1 and a % 2 == 0 for a, b in found.tolist())
