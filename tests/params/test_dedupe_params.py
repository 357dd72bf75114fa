import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.dedupe import HASHES, Dedupe, bands_and_rows, chance

FRACTIONS = {"validation_fraction": 0.1, "test_fraction": 0.1}


def made(**values):
    return check(Dedupe, FRACTIONS | values, where="params.yaml: dedupe")


def test_presets_and_what_follows_from_them():
    default, thorough = made(), made(preset="thorough")
    assert (default.similarity, default.bands, default.rows) == (0.7, 29, 5)
    assert (thorough.similarity, thorough.bands, thorough.rows) == (0.5, 36, 4)
    for params in (default, thorough):
        assert params.chance(params.similarity) >= params.recall
        assert made(**params.model_dump(exclude={*FRACTIONS})) == params


def test_every_value_can_be_set():
    assert (made(similarity=0.8, recall=0.99).bands, made(similarity=0.8, recall=0.99).rows) == (20, 7)
    both = made(bands=30, rows=5)
    assert (both.bands, both.rows) == (30, 5)
    assert both.recall == pytest.approx(0.996, abs=1e-4)  # what they give
    assert (made(rows=4).bands, made(rows=4).rows) == (20, 4)
    assert (made(bands=30).bands, made(bands=30).rows) == (30, 5)
    assert made(preset="thorough", ngram_size=3, similarity=None).similarity == 0.5


@given(st.floats(0.3, 0.99), st.floats(0.5, 0.999))
def test_the_recall_asked_for_is_met_with_no_band_to_spare(similarity, recall):
    bands, rows = bands_and_rows(similarity, recall)
    assert chance(similarity, bands, rows) >= recall - 1e-9
    assert bands == 1 or chance(similarity, bands - 1, rows) < recall
    assert bands * rows <= HASHES or rows == 1
    more = math.ceil(math.log(1 - recall) / math.log(1 - similarity ** (rows + 1)) - 1e-9)
    assert more * (rows + 1) > HASHES  # one more row would make the signature too long


def test_the_s_curve_of_fineweb():
    assert [round(chance(s, 14, 8), 3) for s in (0.7, 0.75, 0.8, 0.85)] == [0.565, 0.772, 0.924, 0.988]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"bands": 2, "rows": 13}, r"bands = 2 and rows = 13 compare only 1\.9% of the pairs.*at least 50"),
        ({"bands": 10, "rows": 5, "recall": 0.99}, r"compare only 84\.1% of the pairs.*at least 99\.0%"),
        ({"similarity": 0.001}, r"need 5296 bands, more than 1000: raise similarity or lower recall"),
        ({"similarity": 1.5}, r"similarity: .*less than or equal to 1; found 1\.5"),
        ({"similarity": "high"}, r"similarity: .*valid number; found 'high'"),
        ({"recall": 1.0}, r"recall: .*less than 1; found 1\.0"),
        ({"bands": "30"}, r"bands: .*valid integer; found '30'"),
        ({"rows": 0}, r"rows: .*greater than or equal to 1; found 0"),
        ({"preset": "through"}, r"preset: .*'default' or 'thorough'; found 'through'"),
        ({"simliarity": 0.7}, r'simliarity: unknown key; did you mean "similarity"\?'),
    ],
)
def test_mistakes(values, expected):
    with pytest.raises(UserError, match=expected):
        made(**values)
