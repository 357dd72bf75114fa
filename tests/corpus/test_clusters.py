import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.clusters import DisjointSets, connect, keep_one

EDGES = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40)


def components(n, edges):
    sets = DisjointSets(n)
    sets.unite(np.array(edges, np.int64).reshape(-1, 2))
    return sets.find(np.arange(n)).tolist()


def test_a_chain_is_one_component_named_by_its_smallest():
    assert components(6, [(4, 5), (3, 4), (1, 3)]) == [0, 1, 2, 1, 1, 1]


@given(EDGES, st.randoms(use_true_random=False))
def test_components_ignore_the_order_of_edges_and_equal_reachability(edges, rng):
    found = components(20, edges)
    shuffled = [(b, a) for a, b in rng.sample(edges, len(edges))]
    assert components(20, shuffled) == found
    one_by_one = DisjointSets(20)
    for edge in shuffled:
        one_by_one.unite(np.array([edge]))
    assert one_by_one.find(np.arange(20)).tolist() == found
    reachable = np.eye(20, dtype=bool)
    for a, b in edges:
        reachable[a, b] = reachable[b, a] = True
    for _ in range(5):  # paths of up to 2^5 edges
        reachable = reachable @ reachable
    assert found == reachable.argmax(axis=1).tolist()


@given(EDGES)
def test_skipping_pairs_already_united_changes_no_component(edges):
    sets = DisjointSets(20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptmill.corpus.clusters.BATCH", 3)
        pairs = np.array(edges, np.int64).reshape(-1, 2)
        asked = connect(sets, pairs, alike=lambda some: (some @ [7, 3]) % 2 == 0)
    alike = [(a, b) for a, b in edges if (a * 7 + b * 3) % 2 == 0]
    assert sets.find(np.arange(20)).tolist() == components(20, alike)
    assert asked <= len(edges)


def of(n, edges):
    sets = DisjointSets(n)
    sets.unite(np.array(edges))
    return sets


def test_the_longest_stays_then_the_smallest_id():
    sets = of(6, [(0, 2), (2, 4), (1, 3)])
    length = np.array([5, 8, 9, 8, 9, 1])
    assert keep_one(sets, length).tolist() == [2, 1, 2, 1, 2, 5]


def test_among_the_longest_the_best_stays():
    sets = of(4, [(0, 1), (1, 2), (2, 3)])
    length = np.array([9, 9, 9, 8])
    better = np.array([0.1, 0.5, 0.5, 0.9])
    assert keep_one(sets, length, [better]).tolist() == [1] * 4
    assert keep_one(sets, length, [better, np.array([3.0, 1.0, 2.0, 4.0])]).tolist() == [2] * 4
    assert keep_one(sets, length, [np.full(4, -np.inf)]).tolist() == [0] * 4


def test_keeping_a_member_that_stays_for_every_document():
    rng = random.Random(0)
    sets = of(200, [(rng.randrange(200), rng.randrange(200)) for _ in range(120)])
    kept = keep_one(sets, np.array([rng.randrange(9) for _ in range(200)]))
    assert (kept[kept] == kept).all()
    assert sets.find(kept).tolist() == sets.find(np.arange(200)).tolist()
