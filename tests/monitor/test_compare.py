"""Texts, units, words, and real text: docstrings of installed packages against each other's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.corpus.prose import prose
from gptmill.corpus.sources.docstrings import docstring_units, read_docstrings
from gptmill.errors import UserError
from gptmill.evaluation.documents import document_nats
from gptmill.html.text import escape
from gptmill.models import build_model
from gptmill.monitor.compare import compare
from gptmill.monitor.drift import Limits
from gptmill.monitor.page import monitor_page
from gptmill.monitor.reading import read
from gptmill.monitor.texts import Texts, documents, unit
from gptmill.monitor.vocabulary import Vocabulary
from gptmill.params.collect import Docstrings
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer
from gptmill.tracking.package import Package


def docstrings(package: str) -> Texts:
    """Docstrings of 200 characters and more, each with its module."""
    units = docstring_units(Docstrings(name="p", kind="docstrings", package=package), 0)
    found = [(prose(text.text), file.uri) for file in units for text in read_docstrings(file)]
    kept = [(text, uri) for text, uri in found if len(text) >= 200]
    return Texts([text for text, _ in kept], [uri for _, uri in kept])


@pytest.fixture(scope="module")
def networkx() -> Texts:
    return docstrings("networkx==3.6.1")


@pytest.fixture(scope="module")
def package(networkx: Texts) -> Package:
    tokenizer = Tokenizer(train_tokenizer(networkx.texts[:300], 400, "bpe", 0.999))
    torch.manual_seed(0)
    model = build_model("gpt1", vocab_size=400, block_size=64, n_layer=1, n_head=2, n_embd=32)
    return Package(model.eval(), tokenizer)


@pytest.fixture(scope="module")
def corpus(networkx: Texts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thirds of networkx's modules: the corpus. A third of its documents is held out."""
    rows = [
        {
            "id": document_id(text),
            "text": text,
            "source": "networkx",
            "uri": f"{uri}#{i}",
            "licence": "BSD-3-Clause",
            "origin": "real",
            "lang": "en",
            "meta": [("kind", "docstrings")],
            "split": "test" if i % 3 == 0 else "train",
        }
        for i, (text, uri) in enumerate(zip(networkx.texts, networkx.units, strict=True))
        if ours(uri)
    ]
    path = tmp_path_factory.mktemp("corpus") / "documents.parquet"
    schema = DOCUMENT.append(pa.field("split", pa.string()))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema).sort_by("id"), path)
    return path


def ours(uri: str) -> bool:
    return int(document_id(uri)[:4], 16) % 3 > 0


def test_more_of_the_same_package_is_no_drift(networkx: Texts, package: Package, corpus: Path) -> None:
    rest = [(t, u) for t, u in zip(networkx.texts, networkx.units, strict=True) if not ours(u)]
    found = compare(package, corpus, Texts([t for t, _ in rest], [u for _, u in rest]), Limits())
    assert found.drifted == [], found.figures()
    assert found.batch.n_units > 40


def test_another_package_is_drift(package: Package, corpus: Path) -> None:
    found = compare(package, corpus, docstrings("SQLAlchemy==2.1.9"), Limits())
    assert {"vocabulary", "embedding"} <= set(found.drifted)
    figures = found.figures()
    assert figures["drift"] is True
    assert "sql" in figures["new_words"]
    page = monitor_page(found, "sqlalchemy", "gptmill version 1")
    assert "Drift in " in page
    assert escape("sqlalchemy, against") in page


def test_prompts_are_compared_with_beginnings(networkx: Texts, package: Package, corpus: Path) -> None:
    """Beginnings of held-out texts, as prompts: short, and no drift for that."""
    rest = [t for t, u in zip(networkx.texts, networkx.units, strict=True) if not ours(u)]
    starts = [text[: 20 + 7 * (i % 9)] for i, text in enumerate(rest)]
    found = compare(package, corpus, Texts(starts, starts), Limits(), prompts=True)
    assert "length" not in found.results
    assert "bits per byte" not in found.drifted, found.figures()
    foreign = [f"Wie spät ist es jetzt in der Stadt Nummer {i}, und warum?" for i in range(60)]
    found = compare(package, corpus, Texts(foreign, foreign), Limits(), prompts=True)
    assert "vocabulary" in found.drifted


def test_too_little_is_a_message(package: Package, corpus: Path) -> None:
    book = Texts(["a piece of a book"] * 50, ["book"] * 50)
    with pytest.raises(UserError, match=r"the batch has 1 independent texts .*at least 8 are needed"):
        compare(package, corpus, book, Limits())


def test_units() -> None:
    assert unit("file:Emma.txt#3", {"part": "3/40"}) == "file:Emma.txt"
    assert unit("file:rows.jsonl#3", {}) == "file:rows.jsonl#3"
    assert unit("pkg:pypi/a@1/a/b.py#C.d", {"kind": "docstrings"}) == "pkg:pypi/a@1/a/b.py"


def test_a_book_does_not_vouch_for_its_own_names() -> None:
    known = Vocabulary([("Emma met Mr Knightley", "emma"), ("Mr Darcy", "pride"), ("more of Emma", "emma")])
    assert known.coverage("Mr Knightley", "emma") == 0.5
    assert known.coverage("Mr Knightley") == 1.0
    assert known.coverage("12 + 7 = 19", "emma") == 1.0
    assert known.missing(["Mr Elton", "Elton again", "more"]) == [("elton", 2), ("again", 1)]


def test_reading_is_the_models_cross_entropy(package: Package) -> None:
    """Within one window a text alone costs what evaluation says; the states are of length 1."""
    texts = ["A graph is a set", "é", "The nodes of it " * 30]
    bits, states = read(package.model, package.tokenizer, texts)
    for text, ours_ in zip(texts[:2], bits, strict=False):
        (nats,) = document_nats(package.model, package.tokenizer, [text])
        assert ours_ == pytest.approx(nats / math.log(2) / len(text.encode()), rel=1e-5)
    assert np.linalg.norm(states, axis=1) == pytest.approx(1.0)
    alone, _ = read(package.model, package.tokenizer, texts[2:])
    assert alone[0] == pytest.approx(bits[2], rel=1e-6), "no text depends on another"


def test_held_out_documents_only(corpus: Path) -> None:
    table = pq.read_table(corpus)
    held = documents(corpus, ["test"])
    assert len(held.texts) == table["split"].to_pylist().count("test")
    assert documents(corpus, ["test"], 5).texts == held.texts[:5]
