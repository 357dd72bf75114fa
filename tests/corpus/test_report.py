"""The corpus report: its numbers are those of the tables, its page is sound whatever the texts are."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import Planted, plant

from gptmill.corpus.report.figures import figures
from gptmill.corpus.report.histograms import axis, binned, length_histogram, signal_histogram
from gptmill.corpus.report.report import report
from gptmill.errors import UserError
from gptmill.html.text import escape
from gptmill.params import check, load
from gptmill.params.clean import Clean, Threshold
from gptmill.params.dedupe import Dedupe

PARAMS = check(Clean, {"replace_pii": True, "preset": "docs"}, "params.yaml: clean")
DEDUPE = load("dedupe", Dedupe, Path(__file__).parents[2] / "params.yaml")
LONG = "the quick brown fox jumps over the lazy dog and runs into the woods near the old mill today "
HOSTILE = '<script>alert("x")</script> & </pre></body> \x00\x1b[31m \u202egnp.exe \ufeff'


def documents() -> list[Planted]:
    many = [Planted(f"{LONG}{i} {'# ' * (i % 3)}", split="train", source="numpy") for i in range(30)]
    return [
        *many,
        Planted(f"{LONG} held out", split="validation", lang="de", licence="CC0-1.0"),
        Planted(f"{LONG} for the test", split="test", lang="<b>", licence="A & B"),
        Planted("too short", rule="n_words"),
        Planted("short, too", rule="n_words", source="numpy"),
        Planted("code", cleaned="", rule="empty"),
        Planted(many[0].text + "more", copy_of=many[0].text, similarity=0.9, repeats=["file:again.txt"]),
        Planted(many[0].text + HOSTILE, copy_of=many[0].text, uri=f"file:{HOSTILE}"),
        Planted(many[0].text.upper(), copy_of=many[0].text, reason="exact", similarity=1.0),
        Planted(f"{LONG} code: x = 1", cleaned=LONG, uri="pkg:x#f", repeats=["pkg:x#g", "pkg:x#h"]),
        Planted(f"{LONG} an answer", reason="contaminated:trec"),
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shut_out = [
        {
            "id": "0" * 32,
            "source": "books",
            "uri": "file:cap.txt",
            "licence": "MIT",
            "meta": [],
            "reason": "cap",
        }
    ]
    return plant(tmp_path_factory.mktemp("planted") / "data", documents(), shut_out=shut_out)


def made(data: Path, out: Path, params: Clean = PARAMS) -> str:
    report(params, DEDUPE, data, out / "corpus.html", out / "corpus.json")
    return (out / "corpus.html").read_text(encoding="utf-8")


def parsed(html: str) -> ElementTree.Element:
    """The page as XML: stricter than any browser about what is open and what is closed."""
    return ElementTree.fromstring(html.split("\n", 1)[1])


def texts(path: Path) -> list[tuple[str, int]]:
    table = pq.read_table(path, columns=["source", "text"])
    return [(row["source"], len(row["text"].encode())) for row in table.to_pylist()]


def test_the_numbers_are_those_of_the_tables(data: Path) -> None:
    found = figures(data)
    for stage in ("collect", "clean", "dedupe"):
        rows = texts(data / stage / "documents.parquet")
        assert found["stages"][stage]["kept"] == {"documents": len(rows), "bytes": sum(n for _, n in rows)}
        assert {name: part[stage]["documents"] for name, part in found["sources"].items()} == Counter(
            source for source, _ in rows
        )
    ruled_out = pq.read_table(data / "clean" / "dropped.parquet").to_pylist()
    by_rule = found["stages"]["clean"]["dropped"]
    assert {r: p["documents"] for r, p in by_rule.items()} == Counter(row["reason"] for row in ruled_out)
    assert by_rule["n_words"]["bytes"] == len("too short") + len("short, too")
    kept = pq.read_table(data / "dedupe" / "documents.parquet").to_pylist()
    for name, column in (("languages", "lang"), ("licences", "licence"), ("splits", "split")):
        assert {key: part["documents"] for key, part in found[name].items()} == Counter(
            row[column] for row in kept
        )
    assert found["contaminated"]["trec"]["documents"] == 1
    assert {reason: part["documents"] for reason, part in found["duplicates"].items()} == {
        "exact": 1,
        "near": 2,
    }
    assert found["boilerplate"] == {"documents": 1, "parts": 2}
    assert found["personal_data"] == {"email": 2, "phone": 0}


def test_what_enters_a_stage_leaves_it(data: Path) -> None:
    stages = figures(data)["stages"]
    entered = None
    for stage in stages.values():
        lost = {unit: sum(p[unit] for p in stage["dropped"].values()) for unit in ("documents", "bytes")}
        assert stage["read"]["documents"] == stage["kept"]["documents"] + lost["documents"]
        assert stage["read"]["bytes"] == stage["kept"]["bytes"] + lost["bytes"] + stage["edited_bytes"]
        assert entered in (None, stage["read"])
        entered = stage["kept"]
    assert stages["collect"]["dropped"]["repeat"]["documents"] == 3
    assert stages["collect"]["dropped"]["cap"] == {"documents": 1, "bytes": 0}
    assert stages["clean"]["edited_bytes"] == len(" code: x = 1") + len("code")


def test_sources_add_up_to_the_stages(data: Path) -> None:
    found = figures(data)
    for stage, key in (("collect", "read"), ("collect", "kept"), ("clean", "kept"), ("dedupe", "kept")):
        column = "read" if key == "read" else stage
        for unit in ("documents", "bytes"):
            parts = [row[column][unit] for row in found["sources"].values()]
            assert sum(parts) == found["stages"][stage][key][unit]


def test_histograms_count_every_document_once(data: Path) -> None:
    clean = data / "clean"
    kept, dropped = (pq.read_table(clean / f"{n}.parquet").to_pylist() for n in ("documents", "dropped"))
    found = signal_histogram(clean, "n_words", Threshold(min=20))
    assert found.documents == len(kept) + len(dropped)
    assert (sum(found.kept), sum(found.dropped_here), sum(found.dropped_elsewhere)) == (len(kept), 2, 1)
    assert found.zeros == 0  # a minimum judges them, so they are drawn
    ratio = signal_histogram(clean, "symbol_word_ratio", Threshold(max=0.1))
    assert ratio.zeros == sum(row["symbol_word_ratio"] == 0 for row in kept + dropped)
    assert ratio.documents == len(kept) + len(dropped)
    edges, lengths = length_histogram(data)
    sizes = [n for _, n in texts(data / "dedupe" / "documents.parquet")]
    assert lengths["kept"] == np.histogram(sizes, edges)[0].tolist()
    assert (sum(lengths["dedupe"]), sum(lengths["clean"])) == (4, 2 + 1)


@given(
    st.lists(st.floats(-1e9, 1e9) | st.integers(0, 10**7), max_size=40),
    st.lists(st.floats(0, 1e6, allow_subnormal=False), max_size=2),
)
def test_an_axis_takes_any_values(values: list[float], bounds: list[float]) -> None:
    numbers = np.asarray([value for value in values if value], np.float64)
    edges, log = axis(numbers, bounds)
    assert all(one < other for one, other in pairwise(edges))
    assert not log or edges[0] > 0
    assert binned(numbers, edges).sum() == len(numbers)


def test_the_page_is_whole_and_says_the_numbers(data: Path, tmp_path: Path) -> None:
    html = made(data, tmp_path)
    root = parsed(html)
    shown = " ".join(root.itertext())
    assert "trec" in shown
    tasks = json.loads((tmp_path / "corpus.json").read_text())["contaminated"]
    assert {name: part["documents"] for name, part in tasks.items()} == {
        "test": 0,
        "validation": 0,
        "trec": 1,
    }
    kept = json.loads((tmp_path / "corpus.json").read_text())["stages"]["dedupe"]["kept"]["documents"]
    assert f"{kept:,} documents" in shown
    assert len(html) < 1_000_000
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    links = [element.get("href") for element in root.iter("a")]
    assert [f"#{name}" for name in ids] == links
    for drawing in root.iter("svg"):
        assert drawing.get("role") == "img"
        assert drawing.get("aria-label")


def test_nothing_is_fetched_or_run(data: Path, tmp_path: Path) -> None:
    html = made(data, tmp_path)
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|url\(|@import""", html)


def test_texts_and_names_are_only_text(data: Path, tmp_path: Path) -> None:
    html = made(data, tmp_path)
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &lt;/pre&gt;" in html
    assert "\\x1b[31m \\u202egnp.exe" in html
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ufeff]", html)
    assert "&lt;b&gt;" in html  # a language
    assert "A &amp; B" in html  # a licence


def test_the_same_bytes_every_time_and_nothing_of_this_machine(data: Path, tmp_path: Path) -> None:
    first, second = made(data, tmp_path / "a"), made(data, tmp_path / "b")
    assert first == second
    assert str(tmp_path) not in first
    assert str(data) not in first
    assert (tmp_path / "a" / "corpus.json").read_bytes() == (tmp_path / "b" / "corpus.json").read_bytes()


class Tags(HTMLParser):
    """The names of all tags, as a browser would find them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(codec=None), max_size=60))
def test_no_text_becomes_markup(text: str) -> None:
    tags = Tags()
    tags.feed(f"<p>{escape(text)}</p>")
    tags.close()
    assert tags.found == ["p"]
    escape(text).encode("utf-8")
    assert "".join(ElementTree.fromstring(f"<p>{escape(text)}</p>").itertext()) == tags.text


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4, unique=True
    )
)
def test_a_page_of_any_unicode_is_well_formed(tmp_path: Path, odd: list[str]) -> None:
    base = Planted(LONG * 3)
    planted = [base, *(Planted(LONG * 2 + text, copy_of=base.text, uri=text, source=text) for text in odd)]
    html = made(plant(tmp_path / "data", planted, pii={odd[0]: 1}), tmp_path)
    assert parsed(html).find("body") is not None


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(
            [Planted(f"{LONG}{i}", split=s) for i, s in enumerate(("train", "test", "validation"))],
            id="none dropped",
        ),
        pytest.param(
            [
                *(Planted(f"{LONG}{i}", split=s) for i, s in enumerate(("train", "test", "validation"))),
                *(Planted(f"w{i}", rule="n_words") for i in range(500)),
            ],
            id="nearly all dropped",
        ),
        pytest.param([Planted(LONG * 50_000), Planted("tiny", split="test")], id="a huge one"),
        pytest.param([Planted("a b", cleaned="[PHONE] [PHONE]")], id="cleaning added bytes"),
        pytest.param([Planted("", rule="empty"), Planted("x")], id="an empty one"),
        pytest.param([Planted("x", rule="n_words")], id="none kept"),
        pytest.param(
            [Planted(f"{LONG}{i}", source=f"s{i}", lang=f"l{i}") for i in range(60)], id="many sources"
        ),
    ],
)
def test_odd_corpora_have_a_page(planted: list[Planted], tmp_path: Path) -> None:
    root = parsed(made(plant(tmp_path / "data", planted), tmp_path))
    shown = " ".join(root.itertext())
    assert "nan" not in shown.lower().split()
    assert len(list(root.iter("section"))) == 10


def test_what_is_missing_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"clean.documents\.parquet does not exist; run the stage clean first"
    ):
        figures(plant(tmp_path / "one", documents(), stages=["collect"]))
    data = plant(tmp_path / "two", documents())
    plant(data, [Planted("unheard of", copy_of="x"), Planted("x")], stages=["dedupe"])
    with pytest.raises(UserError, match="1 of its ids are not in"):
        figures(data)
