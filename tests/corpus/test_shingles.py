import weakref

import daft
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.minhash import MULTIPLIER, word_hashes, words
from gptmill.corpus.shingles import ShingleFile, document_ngrams, ngram_hashes, shingle_sets

WORDS = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), min_size=2, max_size=6)


def hashes_of(texts):
    frame = daft.from_pydict({"text": texts}).select(word_hashes(daft.col("text")).alias("x"))
    return frame.to_arrow()["x"].combine_chunks()


def stored(tmp_path, lists, n):
    file = ShingleFile(tmp_path / "shingles")
    file.append(np.arange(len(lists)), *shingle_sets(lists, n))
    file.finish()
    return file


def tuples(word_list, n):
    """The shingles by the definition, as tuples of words."""
    if len(word_list) < n:
        return {tuple(word_list)} if word_list else set()
    return {tuple(word_list[i : i + n]) for i in range(len(word_list) - n + 1)}


def similarity(a, b):
    return len(a & b) / len(a | b) if a | b else 0.0


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(1, 6))
def test_jaccard_of_hashes_equals_the_set_definition(tmp_path_factory, documents, n):
    sets = stored(tmp_path_factory.mktemp("x"), hashes_of([" ".join(document) for document in documents]), n)
    pairs = np.array([(a, b) for a in range(len(documents)) for b in range(len(documents))])
    expected = [similarity(tuples(documents[a], n), tuples(documents[b], n)) for a, b in pairs]
    assert sets.jaccard(pairs).tolist() == expected
    possible = sets.could_be(pairs, 0.6)
    assert all(possible[np.array(expected) >= 0.6])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_unicode_has_shingles_exactly_when_it_has_words(texts):
    frame = daft.from_pydict({"text": texts}).select(words(daft.col("text")).alias("x"))
    _, bounds = shingle_sets(hashes_of(texts), 3)
    for text_words, found in zip(frame.to_pydict()["x"], np.diff(bounds), strict=True):
        assert found == len(tuples(text_words.split(), 3))


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(1, 8))
def test_rolling_hashes_are_the_polynomial(hashes, n):
    expected = [
        sum(word * int(MULTIPLIER) ** k for k, word in enumerate(hashes[i : i + n])) % 2**64
        for i in range(len(hashes) - n + 1)
    ]
    assert ngram_hashes(np.array(hashes, np.uint64), n).tolist() == expected


def test_no_ngram_spans_two_documents():
    lists = pa.array([[1, 2, 3], [4], [], [5, 6], [1, 2]], pa.large_list(pa.uint64()))
    hashes, row = document_ngrams(lists, 2)
    assert row.tolist() == [0, 0, 3, 4]
    assert hashes[0] == hashes[3]
    assert len(set(hashes.tolist())) == 3


def test_shingle_sets_of_a_slice_are_those_of_its_rows():
    lists = pa.array([[1, 2, 3], [4, 5, 6, 7], [], [8, 9, 1, 2]], pa.large_list(pa.uint64()))
    whole, bounds = shingle_sets(lists, 2)
    sliced, sliced_bounds = shingle_sets(lists.slice(1, 3), 2)
    assert sliced.tolist() == whole[bounds[1] :].tolist()
    assert (sliced_bounds + bounds[1]).tolist() == bounds[1:].tolist()


def test_a_similarity_of_exactly_the_threshold_is_similar(tmp_path):
    file = ShingleFile(tmp_path / "shingles")
    sets = [np.arange(11, dtype=np.uint64), np.arange(20, dtype=np.uint64), np.empty(0, np.uint64)]
    file.append(np.array([4, 9, 2]), np.concatenate(sets), np.array([0, 11, 31, 31]))
    file.finish()
    pairs = np.array([[4, 9], [9, 4], [2, 2]])
    assert file.jaccard(pairs).tolist() == [0.55, 0.55, 0.0]
    assert file.could_be(pairs, 0.55).tolist() == [True, True, False]
    assert not file.could_be(pairs, 0.5500001).any()


def test_no_documents_no_pairs(tmp_path):
    file = ShingleFile(tmp_path / "shingles")
    file.finish()
    assert file.jaccard(np.empty((0, 2), np.int64)).shape == (0,)


def test_many_pairs_are_compared_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("gptmill.corpus.shingles.BATCH", 7)
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**64, 3, np.uint64)
    rows = [words[rng.integers(0, 3, rng.integers(0, 9))].tolist() for _ in range(40)]
    lists = pa.array(rows, pa.large_list(pa.uint64()))
    file = stored(tmp_path, lists, 2)
    pairs = rng.integers(0, 40, (200, 2))
    expected = [similarity(*(tuples(rows[i], 2) for i in pair)) for pair in pairs]
    assert file.jaccard(pairs).tolist() == expected


def test_a_batch_is_not_held_for_its_numbers(tmp_path):
    batch = np.arange(1000)
    is_held = weakref.ref(batch)
    file = ShingleFile(tmp_path / "shingles")
    file.append(batch[:2], *shingle_sets(hashes_of(["a b", "b c"]), 2))
    del batch
    assert is_held() is None
