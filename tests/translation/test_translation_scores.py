"""Scores against their definitions and sacrebleu; any text can be translated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gptmill.evaluation.statistics import compare
from gptmill.models.systems import load_system
from gptmill.outs import read_json
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.translation.batches import load_pairs
from gptmill.translation.evaluate import alignments, mean_loss, translate
from gptmill.translation.scores import by_length, score, statistic

TRUTH = [f"a small dog number {n} runs over the green grass" for n in range(40)]
FOUND = [text.replace("small", "big") if n % 2 else text for n, text in enumerate(TRUTH)]


def test_exact_match_and_its_interval() -> None:
    found = score(["exact"], FOUND, TRUTH, 1000)["exact"]
    assert found["score"] == 0.5
    assert 0.3 < found["low"] < 0.5 < found["high"] < 0.7
    assert found == score(["exact"], FOUND, TRUTH, 1000)["exact"]


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    found = score(["bleu", "chrf"], FOUND, TRUTH, 300)
    assert found["bleu"]["score"] == pytest.approx(sacrebleu.corpus_bleu(FOUND, [TRUTH]).score)
    assert found["chrf"]["score"] == pytest.approx(sacrebleu.corpus_chrf(FOUND, [TRUTH]).score)
    assert "nrefs:1|case:mixed" in found["bleu"]["signature"]
    # sacrebleu's own bootstrap, which gives a mean and half a width.
    own = sacrebleu.BLEU().corpus_score(FOUND, [TRUTH], n_bootstrap=300)
    width = found["bleu"]["high"] - found["bleu"]["low"]
    assert width == pytest.approx(2 * own._ci, rel=0.25)


def test_by_length_leaves_out_empty_bins() -> None:
    lengths = [5] * 20 + [15] * 20
    rows = by_length("exact", lengths, [10, 20], FOUND, TRUTH, 100)
    assert [(row["tokens"], row["pairs"], row["mean_tokens"]) for row in rows] == [
        ("0–9", 20, 5),
        ("10–19", 20, 15),
    ]
    last = by_length("exact", lengths, [10], FOUND, TRUTH, 100)[-1]
    assert last["tokens"] == "10+"


@pytest.mark.parametrize("system", ["seq2seq", "rnnsearch", "transformer"])
def test_any_text_can_be_translated(system: str, trained: Path) -> None:
    """Nothing, characters that the vocabulary has never seen, and far more tokens than in training."""
    model = load_system(trained / "models/translate" / system)
    tokenizer = Tokenizer.load(trained / "data/pairs/tokenizer.model")
    texts = ["", "漢字 𓀀 \x00", "en-US " + "May 5, 1987 " * 20, "de 3.4.1987"]
    for beams in (1, 3):
        how = {"beams": beams, "max_new_tokens": 20}
        assert len(translate(model, tokenizer, texts, **how, batch_size=3)) == len(texts)
        # In the order of the sources. One at a time, for rounding depends on the batch, and this model hardly learned.
        alone = [translate(model, tokenizer, [text], **how)[0] for text in texts]
        assert translate(model, tokenizer, texts, **how, batch_size=1) == alone


def test_the_loss_does_not_depend_on_the_batches(trained: Path) -> None:
    model = load_system(trained / "models/translate/rnnsearch")
    tokenizer = Tokenizer.load(trained / "data/pairs/tokenizer.model")
    pairs = load_pairs(trained / "data/pairs", tokenizer, "validation")
    one, many = (mean_loss(model, pairs, tokenizer.eos_id, size) for size in (1, 7))
    assert one == pytest.approx(many, rel=1e-5)
    stored = read_json(trained / "reports/score/rnnsearch/metrics.json")["val_loss"]
    assert one == pytest.approx(stored, rel=1e-5)


def test_alignments_are_those_of_the_same_pairs(trained: Path) -> None:
    found = {
        system: read_json(trained / f"reports/score/{system}/alignments.json")
        for system in ("seq2seq", "rnnsearch", "transformer", "gpt")
    }
    assert found["seq2seq"] == []
    ids = [[one["id"] for one in maps] for maps in found.values() if maps]
    assert len(ids) == 3
    assert ids[0] == ids[1] == ids[2]
    for one in [one for maps in found.values() for one in maps]:
        assert len(one["weights"]) == len(one["written"])
        for row in one["weights"]:
            assert len(row) == len(one["source"])
            assert sum(row) == pytest.approx(1.0, abs=0.002 * len(row))


def test_alignments_follow_the_attention(trained: Path) -> None:
    """Weights of the first token are those of a step from the start, computed here in another way."""
    model = load_system(trained / "models/translate/rnnsearch")
    tokenizer = Tokenizer.load(trained / "data/pairs/tokenizer.model")
    pair = load_pairs(trained / "data/pairs", tokenizer, "test")[0]
    (one,) = alignments(model, tokenizer, [pair], [pair.target], 1)
    source = torch.tensor([pair.source_ids])
    with torch.inference_mode():
        state = model.encode(source, source != 0)
        energy = model.align_v((model.align_s(state["s"])[:, None] + state["u"]).tanh())[0, :, 0]
    assert one["weights"][0] == pytest.approx(energy.softmax(dim=0).tolist(), abs=0.001)


def test_two_systems_are_compared_pair_by_pair() -> None:
    pytest.importorskip("sacrebleu")
    # A word less in every fifth pair: far less than what the pairs differ among themselves.
    found = [text.replace(" green", "") if n % 5 == 0 else text for n, text in enumerate(FOUND)]
    worse, better = (score(["bleu"], texts, TRUTH, 300)["bleu"] for texts in (found, FOUND))
    one = compare(statistic("bleu", FOUND, TRUTH), statistic("bleu", found, TRUTH), len(TRUTH), resamples=300)
    assert one.difference == pytest.approx(better["score"] - worse["score"])
    assert 0 < one.low < one.high < (better["high"] - better["low"]) + (worse["high"] - worse["low"])
