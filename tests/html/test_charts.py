"""Charts: coordinates that follow the numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.html.charts import BOTTOM, LEFT, RIGHT, Axis, Series, histogram, log_ticks, ticks
from gptmill.html.flow import Branch, Node, flow
from gptmill.html.page import bar, details, page, table
from gptmill.html.text import Markup, escape
from gptmill.shown import number, share, short_number, shortened, size, visible


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 8))
def test_ticks_are_round_and_inside(low: float, span: float, about: int) -> None:
    found = ticks(low, low + span, about)
    assert 0 < len(found) <= 2 * about + 2 or span < 1e-9 * abs(low)
    slack = 1e-6 * span + 1e-9 * abs(low)
    assert all(low - slack <= tick <= low + span + slack for tick in found)


def test_ticks_by_hand() -> None:
    assert ticks(0, 0.3, 4) == [0, 0.1, 0.2, 0.3]
    assert ticks(0, 11, 3) == [0, 5, 10]
    assert log_ticks(1, 10**5) == [1, 100, 10**4]
    assert log_ticks(2, 8) == [2, 8]


def bars(drawing: str, colour: str) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of each bar of a series."""
    path = re.search(rf'class="{colour}" d="([^"]*)"', drawing)
    assert path
    found = re.findall(r"M([\d.]+) ([\d.]+)v-([\d.]+)h([\d.]+)", path[1])
    return [(float(x), float(y), float(w), float(h)) for x, y, h, w in found]


def test_bars_stand_on_each_other_and_are_as_high_as_their_numbers() -> None:
    series = [Series("a", "kept", [10, 0, 4]), Series("b", "lost", [10, 5, 0])]
    drawing = histogram("t", Axis([0, 1, 2, 3], "words"), series, [("max", 1.5)], width=300, height=164)
    kept, lost = bars(drawing, "kept"), bars(drawing, "lost")
    assert [round(h / kept[0][3], 1) for *_, h in kept] == [1.0, 0.4]
    assert lost[0][1] == pytest.approx(kept[0][1] - kept[0][3], abs=0.11)
    assert kept[0][1] == 164 - BOTTOM
    middle = LEFT + (300 - LEFT - RIGHT) / 2
    assert f'class="limit" d="M{middle:.1f} ' in drawing
    assert "max 1.5" in drawing
    ElementTree.fromstring(drawing)


def test_a_logarithmic_axis_places_equal_ratios_equally_far() -> None:
    axis = Axis([1, 10, 100], "words", log=True)
    assert axis.place(10) == pytest.approx(0.5)
    assert (axis.place(0), axis.place(10**6)) == (0, 1)


def test_bands_of_a_flow_are_as_wide_as_their_numbers_and_fill_the_node() -> None:
    node = Node("Read", 100, (Branch("a", 30, "lost"), Branch("b", 10, "lost")))
    both = flow("t", [node, Node("Kept", 60, ())], number)
    for drawing in both.split("\n<svg")[:1]:
        ribbons = re.findall(r'class="lost" d="M([\d.]+) .*?H[\d.]+v([\d.]+)H', drawing)
        rights, thick = [float(x) for x, _ in ribbons], [float(t) for _, t in ribbons]
        assert thick == [90, 30]  # of 300
        assert rights[0] - thick[0] == pytest.approx(rights[1])
        assert 'width="180.0"' in drawing
    for drawing in re.findall(r"<svg.*?</svg>", both, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_a_flow_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(ValueError, match="Read: 5 enter and 6 leave"):
        flow("t", [Node("Read", 5, (Branch("a", 6, "lost"),))], number)
    assert "NaN" not in flow("t", [Node("Read", 0, (Branch("a", 0, "lost"),)), Node("Kept", 0, ())], number)


def test_what_is_no_markup_is_escaped_wherever_it_stands() -> None:
    bad = '<img src=x onerror="x">&'
    html = page(bad, bad, [(bad, table(bad, [bad, bad], [[bar(bad, ("kept", 0.5)), bad]], [bad, bad]))])
    html += details(bad, Markup("<p>y</p>"))
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=&quot;x&quot;&gt;&amp;") == 13
    assert escape(Markup("<b>")) == "<b>"


def test_numbers_in_words() -> None:
    assert [number(n) for n in (0, 33865, 0.25, 4.35678, 1234.56)] == [
        "0",
        "33,865",
        "0.25",
        "4.357",
        "1,234.6",
    ]
    sizes = ["0\u00a0B", "999\u00a0B", "1.00\u00a0kB", "15.2\u00a0MB", "3.30\u00a0GB", "100\u00a0kB"]
    assert [size(n) for n in (0, 999, 999.6, 15_202_388, 3.3e9, 99_990)] == sizes
    assert [share(*p) for p in ((1, 3), (0, 5), (1, 10**6), (1, 0))] == [
        "33.3\u00a0%", "0.0\u00a0%", "<0.1\u00a0%", "0\u00a0%",
    ]  # fmt: skip
    assert [short_number(n) for n in (0, 0.05, 20_000, 1.5e6)] == ["0", "0.05", "20k", "1.5M"]
    assert shortened("abcdef", 4) == "abc…"
    assert visible("a\tb\n\x1b\r\u202e") == "a\tb\n\\x1b\\r\\u202e"
