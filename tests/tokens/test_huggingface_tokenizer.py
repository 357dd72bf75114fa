"""The exported tokenizer gives the ids of ours, for both kinds, and its texts back."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptmill.outs import write_json
from gptmill.tokens.huggingface import export_tokenizer, merges
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

Both = tuple[Tokenizer, Any]


def prose() -> list[str]:
    """Docstrings of numpy, as they stand in its files: indented, with rulers and tables."""
    texts = []
    for path in sorted((Path(numpy.__file__).parent / "lib").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (
                text := ast.get_docstring(node, clean=False)
            ):
                texts.append(text)
    return texts


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    transformers = pytest.importorskip("transformers")
    ours = Tokenizer(train_tokenizer(prose()[:150], 700, request.param, 0.999))
    assert ours.kind == request.param
    folder = tmp_path_factory.mktemp("exported")
    export_tokenizer(ours, folder, 64)
    write_json(folder / "config.json", {"model_type": "gpt2"})
    return ours, transformers.AutoTokenizer.from_pretrained(folder)


def test_a_thousand_lines_and_whole_texts(both: Both) -> None:
    ours, theirs = both
    texts = prose()
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    texts = lines[::5][:1000] + texts[-40:]
    assert len(texts) == 1040
    found = theirs(texts)["input_ids"]
    assert found == [ours.encode(text) for text in texts]
    assert theirs.batch_decode(found) == texts


# In the vocabulary's letters, and in all others.
@given(st.text("aens te-=  \n<|0x4>1\u2581", max_size=60) | st.text(max_size=30))
@example("\u2581 a \u2581\u2581b")
@example("  two  spaces \t\r\n\n")
@example("<|endoftext|> <unk> <0x41> \x00 \ufeff ｆｕｌｌ ﬁ e\u0301 \U0001f600 日本<0x41>日本")
@settings(max_examples=150, deadline=None)
def test_every_text(both: Both, text: str) -> None:
    ours, theirs = both
    ids = theirs(text)["input_ids"]
    assert ids == ours.encode(text)
    assert theirs.decode(ids) == text


def test_the_end_of_text_is_known(both: Both) -> None:
    ours, theirs = both
    assert theirs.eos_token_id == theirs.bos_token_id == theirs.pad_token_id == ours.eos_id
    assert theirs.decode([*ours.encode("a b"), ours.eos_id], skip_special_tokens=True) == "a b"
    assert theirs.model_max_length == 64


def test_pairs_come_in_the_order_of_what_they_make() -> None:
    scores = {"ab": 0.0, "abc": -1.0, "bc": -2.0, "a": -3.0, "b": -4.0, "c": -5.0}
    assert merges(scores) == [("a", "b"), ("ab", "c"), ("a", "bc"), ("b", "c")]
