"""The run's page: well-formed, self-contained, the same for the same reports, and each figure beside its measure."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gptmill.errors import UserError
from gptmill.outs import write_json, write_text
from gptmill.params.model import Model
from gptmill.planning import flops_per_token
from gptmill.run_report.circumstances import Circumstances, Speed, speed
from gptmill.run_report.drawings import Curve, Measured, curves, intervals
from gptmill.run_report.facts import GATES, Facts, gather
from gptmill.run_report.page import run_page

AMOUNT = {"documents": 40, "bytes": 9000}
ROW = AMOUNT | {"bits_per_byte": 1.7, "low": 1.6, "high": 1.8, "perplexity": 21.0}
STAGE = {"read": AMOUNT, "dropped": {}, "edited_bytes": 0, "kept": AMOUNT}
HOSTILE = '</pre><script src="https://example.org/x.js"></script>'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    reports = tmp_path / "reports"
    sizes = {"preset": "modern", "block_size": 64, "n_layer": 2, "n_head": 2, "n_embd": 32, "dropout": 0.0}
    write_json(_in(tmp_path / "models/pretrain/config.json"), sizes | {"vocab_size": 300, "rope": True})
    sources = {"books": dict.fromkeys(("read", "collect", "clean", "dedupe"), AMOUNT)}
    part = {"documents": 5, "bytes": 1000}
    splits = {"train": {"documents": 30, "bytes": 7000}, "validation": part, "test": part}
    corpus = {"stages": dict.fromkeys(("collect", "clean", "dedupe"), STAGE), "sources": sources}
    write_json(reports / "corpus.json", corpus | {"licences": {"CC0-1.0": AMOUNT}, "splits": splits})
    trained = {"parameters": 5000, "steps": 20, "tokens": 4000, "epochs": 0.5, "unigram_loss": 5.0}
    write_json(reports / "pretrain/metrics.json", trained | {"val_loss": 3.0, "val_bits_per_byte": 1.65})
    write_text(reports / "pretrain/train.csv", "step,train_loss,grad_norm\n10,4.5,1.0\n20,3.1,1.0\n")
    write_text(reports / "pretrain/validation.csv", "step,val_loss\n20,3.0\n")
    metrics = {"bits_per_byte": 1.622, "xz_bits_per_byte": 2.25, "unigram_bits_per_byte": 3.04}
    write_json(
        reports / "evaluate/metrics.json",
        metrics | {"perplexity": 30.1, "test_bytes": 9000, "test_tokens": 99},
    )
    sliding = {
        "stride": 48,
        "block_size": 64,
        "all": ROW,
        "sources": {"books": ROW},
        "lengths": {"0-255": ROW},
    }
    found = {"prompts": 300, "verbatim": 1, "share": 1 / 300, "low": 0.0006, "high": 0.0186}
    guessed = {
        "examples": 50,
        "accuracy": 0.375,
        "low": 0.3,
        "high": 0.45,
        "likelihood_accuracy": 0.2,
        "baseline": 0.25,
    }
    details = {
        "sliding": sliding,
        "memorisation": {"tokens": 50, "train": found, "test": {"prompts": 0, "verbatim": 0}},
    }
    write_json(reports / "evaluate/details.json", details | {"zero_shot": {"which": guessed}})
    write_text(reports / "evaluate/memorisation.csv", "tokens,train_share\n1,0.5\n2,0.25\n")
    write_json(reports / "evaluate/samples.json", [{"prompt": "The", "text": HOSTILE}])
    score = {
        "primary": "accuracy",
        "score": 0.61,
        "score_low": 0.58,
        "score_high": 0.64,
        "baseline": 0.25,
        "test": 200,
    }
    write_json(_in(reports / "finetune/which/metrics.json"), score)
    for gate in GATES:
        counts = {"evaluated": 9, "failed": 0}
        write_json(reports / f"gates/{gate}.json", {"success": True, "expectations": counts})
    return tmp_path


def _in(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def facts(root: Path) -> Facts:
    return gather(root, {"which": "which_body"})


NOW = Circumstances(
    commit="abc123",
    dirty=True,
    fingerprint="f" * 64,
    speed=Speed(seconds=75.4, tokens_per_second=8123.4, memory_mb=612.0, mfu=0.31),
    champion=["Against the champion, version 3; gains:", "bits_per_byte 1.622 against 1.7, gain +0.08"],
)


def text_of(page: str) -> str:
    """What stands on the page, with a space between cells."""
    return " ".join(" ".join(ElementTree.fromstring(page.split("\n", 1)[1]).itertext()).split())


def test_every_figure_stands_beside_its_measure(root: Path) -> None:
    text = text_of(run_page(facts(root)))
    for said in (
        "xz -9: 2.250",
        "documents one by one, stride 48",
        "books 1.700 1.600 to 1.800 21.0 40 9.00 kB",
        "which (which_body), accuracy 0.610 0.580 to 0.640 0.250 200",
        "which 0.375 0.300 to 0.450 0.250 0.200 50",
        "train 300 1 0.33% 0.06% to 1.86%",
        "7 of 7",
        "CC0-1.0",
    ):
        assert said in text, said
    shape = Model(preset="modern", block_size=64, n_layer=2, n_head=2, n_embd=32, dropout=0.0)
    assert facts(root).flops == 4000 * flops_per_token(shape, 300)


def test_the_out_is_the_same_bytes_and_knows_no_clock(root: Path) -> None:
    page = run_page(facts(root))
    assert page == run_page(facts(root))
    assert "gptmill report" in page
    for word in ("abc123", "tokens per second", "Champion", str(root)):
        assert word not in page


def test_with_circumstances_it_has_the_rest(root: Path) -> None:
    text = text_of(run_page(facts(root), NOW))
    for said in ("abc123", "in no commit", "1 min 15 s", "8,123", "31.0%", "gain +0.08", "f" * 64):
        assert said in text


def test_a_sample_stays_text_and_nothing_is_loaded(root: Path) -> None:
    page = run_page(facts(root), NOW)
    ElementTree.fromstring(page.split("\n", 1)[1])
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:|//)', page)
    assert "url(" not in page
    assert "@import" not in page


def test_a_missing_report_is_named(root: Path) -> None:
    (root / "reports/evaluate/details.json").unlink()
    with pytest.raises(UserError, match=r"details\.json does not exist; run `dvc repro`"):
        facts(root)


def test_speed_is_summed_over_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "speed.csv"
    assert speed(path, 100) is None
    path.write_text("step,tokens_per_second,memory_mb,mfu\n10,100,5,0.2\n30,400,9,0.4\n")
    found = speed(path, 100)
    assert found == Speed(seconds=15.0, tokens_per_second=200.0, memory_mb=9.0, mfu=pytest.approx(4 / 15))
    path.write_text("step,tokens_per_second,memory_mb\n10,100,5\n")
    assert speed(path, 100).mfu is None


def test_drawings_follow_the_numbers() -> None:
    drawn = curves("t", [Curve("a", "kept", [(0, 1.0), (10, 3.0)])], "x", "y", ("line", 2.0), low=1.0)
    first, last = re.search(r'd="M([\d.]+ [\d.]+)L([\d.]+ [\d.]+)"', drawn).groups()
    level = float(re.search(r'class="limit" d="M[\d.]+ ([\d.]+)h', drawn)[1])
    low, high = float(first.split()[1]), float(last.split()[1])
    assert low > level > high
    assert level == pytest.approx((low + high) / 2, abs=0.11)
    bars = intervals("t", [Measured("a", 2, 1, 3, 1.5)], "x", "base")
    x, width = map(
        float, re.search(r'<rect class="kept-soft" x="([\d.]+)".*?width="([\d.]+)"', bars).groups()
    )
    dot = float(re.search(r'cx="([\d.]+)"', bars)[1])
    assert dot == pytest.approx(x + width / 2, abs=0.11)
    assert float(re.search(r'class="limit" d="M([\d.]+)', bars)[1]) == pytest.approx(x + width / 4, abs=0.11)
    for empty in (curves("t", [], "x", "y"), intervals("t", [], "x")):
        ElementTree.fromstring(empty)
