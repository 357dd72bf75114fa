import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.clusters import DisjointSets, connect, keep_one

EDGES = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40)


def components(n, edges):
    sets = DisjointSets(n)
    for a, b in edges:
        sets.union(a, b)
    return [sets.find(i) for i in range(n)]


def test_a_chain_is_one_component_named_by_its_smallest():
    assert components(6, [(4, 5), (3, 4), (1, 3)]) == [0, 1, 2, 1, 1, 1]


@given(EDGES, st.randoms(use_true_random=False))
def test_components_ignore_the_order_of_edges_and_equal_reachability(edges, rng):
    found = components(20, edges)
    shuffled = [(b, a) for a, b in rng.sample(edges, len(edges))]
    assert components(20, shuffled) == found
    reachable = np.eye(20, dtype=bool)
    for a, b in edges:
        reachable[a, b] = reachable[b, a] = True
    for _ in range(5):  # paths of up to 2^5 edges
        reachable = reachable @ reachable
    assert found == reachable.argmax(axis=1).tolist()


@given(EDGES)
def test_skipping_pairs_already_united_changes_no_component(edges):
    alike = {(a, b): (a * 7 + b * 3) % 2 == 0 for a, b in edges}
    sets = DisjointSets(20)
    connect(sets, edges, alike=lambda a, b: alike[a, b])
    assert [sets.find(i) for i in range(20)] == components(20, [e for e in edges if alike[e]])


def test_the_longest_stays_then_the_smallest_id():
    sets = DisjointSets(6)
    for a, b in [(0, 2), (2, 4), (1, 3)]:
        sets.union(a, b)
    length = np.array([5, 8, 9, 8, 9, 1])
    assert keep_one(sets, length).tolist() == [2, 1, 2, 1, 2, 5]


def test_keeping_a_member_that_stays_for_every_document():
    rng = random.Random(0)
    sets = DisjointSets(200)
    for _ in range(120):
        sets.union(rng.randrange(200), rng.randrange(200))
    kept = keep_one(sets, np.array([rng.randrange(9) for _ in range(200)]))
    assert (kept[kept] == kept).all()
    assert all(sets.find(i) == sets.find(k) for i, k in enumerate(kept.tolist()))
