"""Two versions on the same test documents and examples, paired: who is better at what, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gptmill.errors import UserError
from gptmill.evaluation import statistics
from gptmill.evaluation.statistics import Comparison, Statistic
from gptmill.outs import read_json
from gptmill.params.register import Register
from gptmill.tracking.cache import cached_documents
from gptmill.tracking.package import Package
from gptmill.tracking.packing import FACTS
from gptmill.tracking.scores import BITS, SEED, TestDocuments, read_predictions, read_test, read_texts, score


@dataclass(frozen=True)
class Score:
    """One score of two versions. A gain above zero means that ours is better."""

    name: str
    ours: float
    theirs: float
    gain: Comparison | None  # None: not comparable
    units: str  # what was paired, or why it could not be

    def __str__(self) -> str:
        if self.gain is None:
            return f"{self.name}: not comparable, {self.units}"
        gain = f"{self.gain.difference:+.4g} [{self.gain.low:+.4g}, {self.gain.high:+.4g}]"
        scores = f"{self.ours:.4g} against {self.theirs:.4g}"
        return f"{self.name} {scores}, gain {gain}, p {self.gain.p:.3g}, on {self.units}"


def compare(ours: Path, theirs: Path, rules: Register, root: Path) -> list[Score]:
    """Bits per byte first, then the tasks that both have.

    Where the two were tested on other documents, `theirs` is run on the test split of `ours`, which comes
    from DVC's cache or remote; documents that it was trained on are left out.

    Args:
        ours: a package, the challenger's; its test data count.
        theirs: a package.

    Raises:
        UserError: when documents that must be read are nowhere to be found.
    """
    scores = [_bits(*_paired_documents(ours, theirs, root), rules)]
    mine, other = read_predictions(ours), read_predictions(theirs)
    for task in sorted(mine.keys() & other.keys()):
        one, two = mine[task], other[task]
        right, wrong = one.right, two.right
        gain, units = None, "its test examples are others"
        if one.labels == two.labels:
            gain = _paired(statistics.mean(right), statistics.mean(wrong), len(right), rules)
            units = f"{len(right):,} examples"
        scores.append(Score(f"tasks.{task}", float(right.mean()), float(wrong.mean()), gain, units))
    return scores


def _bits(ours: TestDocuments, theirs: TestDocuments, rules: Register) -> Score:
    mine, other = (test.nats.sum() / math.log(2) / test.bytes.sum() for test in (ours, theirs))
    one, two = (statistics.ratio(test.nats / math.log(2), ours.bytes) for test in (ours, theirs))
    gain = _paired(two, one, len(ours.ids), rules)  # fewer bits are better
    units = f"{len(ours.ids):,} documents, {int(ours.bytes.sum()):,} bytes"
    return Score(BITS, float(mine), float(other), gain, units)


def _paired(better: Statistic, than: Statistic, n: int, rules: Register) -> Comparison:
    return statistics.compare(
        better, than, n, resamples=rules.resamples, seed=SEED, confidence=rules.confidence
    )


def _paired_documents(ours: Path, theirs: Path, root: Path) -> tuple[TestDocuments, TestDocuments]:
    """What the same documents, in the same order, cost each."""
    mine, other = read_test(ours), read_test(theirs)
    facts, their_facts = read_json(ours / FACTS), read_json(theirs / FACTS)
    if mine is not None and other is not None and facts["test_data"] == their_facts["test_data"]:
        return mine, other
    trained_on = training_ids(cached_documents(root, their_facts["made_from"]))
    texts = read_texts(cached_documents(root, facts["made_from"]), without=frozenset(trained_on))
    if not texts:
        raise UserError(
            "the champion was trained on every document of the challenger's test split: "
            "they can't be compared on it. Collect documents that neither has seen."
        )
    return score(Package.load(ours), texts), score(Package.load(theirs), texts)


def training_ids(documents: Path) -> list[str]:
    """Ids of the documents of the train split, sorted."""
    import pyarrow.parquet as pq

    table = pq.read_table(documents, columns=["id"], filters=[("split", "==", "train")])
    return sorted(table["id"].to_pylist())
