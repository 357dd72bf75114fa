from collections import Counter

import pytest

from gptmill.corpus.documents import document_id
from gptmill.corpus.split import SIDES, split_clusters
from gptmill.errors import UserError

CLUSTERS = [document_id(str(i)) for i in range(4000)]


def split(clusters, seed=1, validation=0.05, test=0.1):
    sides = split_clusters(clusters, len(clusters), seed, validation, test).tolist()
    return {cluster: SIDES[side] for cluster, side in zip(clusters, sides, strict=True)}


def test_fractions_are_met():
    counts = Counter(split(CLUSTERS).values())
    assert counts["test"] == pytest.approx(400, abs=80)
    assert counts["validation"] == pytest.approx(200, abs=60)
    assert sum(counts.values()) == len(CLUSTERS)


def test_growth_moves_no_cluster():
    small, grown = split(CLUSTERS[:1000]), split(CLUSTERS)
    assert {cluster: grown[cluster] for cluster in small} == small


def test_the_order_of_clusters_does_not_matter():
    assert split(CLUSTERS[::-1]) == split(CLUSTERS)


def test_another_seed_is_another_split():
    assert split(CLUSTERS, seed=2) != split(CLUSTERS, seed=1)


def test_the_validation_fraction_moves_no_test_document():
    def tested(validation):
        return {c for c, side in split(CLUSTERS, validation=validation).items() if side == "test"}

    assert tested(0.01) == tested(0.4)


@pytest.mark.parametrize("n", [3, 4, 10, 30])
@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.499])
def test_small_corpora_get_every_side(n, fraction):
    for seed in range(20):
        sides = split(CLUSTERS[:n], seed, fraction, fraction)
        assert set(sides.values()) == {"train", "validation", "test"}
        assert split(CLUSTERS[:n][::-1], seed, fraction, fraction) == sides


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_clusters_than_sides_is_an_error_that_says_what_to_do(n):
    with pytest.raises(UserError, match=rf"{n} distinct document.*test_fraction = 0.1.*collect"):
        split(CLUSTERS[:n])
