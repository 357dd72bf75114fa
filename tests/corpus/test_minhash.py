import random

import daft
import numpy as np
import pytest
from daft.functions import minhash
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.minhash import WINDOW, band_hashes, candidate_pairs, normalised, words
from gptmill.params.dedupe import chance


def evaluate(expression, texts):
    return daft.from_pydict({"text": texts}).select(expression(daft.col("text")).alias("x")).to_pydict()["x"]


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


def pairs_of(*buckets_by_band):
    """The candidate pairs when each band has these buckets, of documents 0 … 9999."""
    bands = []
    for buckets in buckets_by_band:
        keys = np.arange(10_000, dtype=np.uint64)
        for i, bucket in enumerate(buckets):
            keys[bucket] = 20_000 + i
        bands.append(keys)
    return candidate_pairs(bands, np.arange(10_000)).tolist()


def test_candidate_pairs_are_all_pairs_of_small_buckets_each_once():
    assert pairs_of([[3, 1, 2], [7, 5]], [[2, 1]]) == [[1, 2], [1, 3], [2, 3], [5, 7]]


def test_candidates_have_the_numbers_given():
    keys = np.array([5, 6, 5], np.uint64)
    assert candidate_pairs([keys], np.array([10, 2_000_000_000, 4_000_000_000])).tolist() == [
        [10, 4_000_000_000]
    ]


def test_a_huge_bucket_stays_connected_with_few_pairs():
    pairs = pairs_of([list(range(1000))])
    assert len(pairs) < 1000 * (WINDOW + 1)
    assert {(0, b) for b in range(1, 1000)} <= set(map(tuple, pairs))


def test_no_buckets_no_pairs():
    assert candidate_pairs([], np.arange(3)).shape == (0, 2)
    assert candidate_pairs([np.empty(0, np.uint64)], np.arange(0)).shape == (0, 2)
    assert pairs_of([]) == []


@given(st.lists(st.lists(st.integers(0, 5), min_size=30, max_size=30), min_size=1, max_size=4))
def test_documents_of_equal_keys_are_candidates(keys):
    bands = [np.array(band, np.uint64) for band in keys]
    found = set(map(tuple, candidate_pairs(bands, np.arange(30)).tolist()))
    alike = {(a, b) for band in keys for a in range(30) for b in range(a) if band[a] == band[b]}
    assert found <= {(b, a) for a, b in alike}
    for band in keys:  # all members of a bucket with its smallest
        assert {(band.index(key), i) for i, key in enumerate(band) if band.index(key) < i} <= found


def test_a_band_is_equal_where_its_rows_are():
    signatures = np.random.default_rng(0).integers(0, 2**32, (50, 12), dtype=np.uint32)
    signatures[7, 3:6] = signatures[2, 3:6]
    signatures[9, :3] = signatures[2, :3][::-1]  # the order of rows counts
    keys = band_hashes(signatures, bands=4)
    assert keys.shape == (4, 50)
    equal = [
        (band, a, b)
        for band in range(4)
        for a in range(50)
        for b in range(a)
        if keys[band, a] == keys[band, b]
    ]
    assert equal == [(1, 7, 2)]


@pytest.mark.parametrize("edits", [1, 4, 8])
def test_pairs_are_nominated_as_often_as_the_s_curve_says(edits):
    rng, pairs, bands, rows = random.Random(edits), 600, 8, 4
    texts, expected = [], []
    for p in range(pairs):
        text = [f"w{p}x{i}" for i in range(100)]
        changed = list(text)
        for i in rng.sample(range(100), edits):
            changed[i] = f"edit{p}x{i}"
        texts += [" ".join(text), " ".join(changed)]
        a, b = ({tuple(x[i : i + 5]) for i in range(96)} for x in (text, changed))
        expected.append(chance(len(a & b) / len(a | b), bands, rows))
    signature = minhash(daft.col("text"), num_hashes=bands * rows, ngram_size=5, seed=1)
    column = daft.from_pydict({"text": texts}).select(signature.alias("x")).to_arrow()["x"].combine_chunks()
    flat = column.flatten().to_numpy().reshape(len(texts), -1)
    found = candidate_pairs(band_hashes(flat, bands), np.arange(len(texts)))
    # Bands and permutations differ: else the rate would be that of one band.
    assert len(found) / pairs == pytest.approx(np.mean(expected), abs=0.06)
    assert all(b == a + 1 and a % 2 == 0 for a, b in found.tolist())
