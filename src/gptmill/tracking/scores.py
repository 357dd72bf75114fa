"""What a package scored, unit by unit: nats of each test document, right or wrong on each example.

Kept in the package, so that two versions on the same test data are compared without running either.
"""

from __future__ import annotations

import csv
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gptmill.errors import UserError
from gptmill.evaluation.statistics import Array, Interval, ratio_interval

if TYPE_CHECKING:
    from gptmill.tracking.package import Package

BITS = "bits_per_byte"
TEST, TASKS = "test_documents.parquet", "tasks"
SEED = 0  # of every bootstrap: the same files give the same interval


@dataclass(frozen=True)
class TestDocuments:
    """The documents of a test split, sorted by id, with what each of them cost a model."""

    ids: list[str]
    bytes: Array  # (n,), UTF-8
    nats: Array  # (n,)


@dataclass(frozen=True)
class Predictions:
    """Labels and predictions of a task's test examples, in the task's own order."""

    labels: list[str]
    predicted: list[str]

    @property
    def right(self) -> Array:
        """1 for each example that was predicted right, else 0."""
        pairs = zip(self.labels, self.predicted, strict=True)
        return np.array([label == predicted for label, predicted in pairs], dtype=np.float64)


def write_scores(root: Path, package: Path) -> None:
    """Score the test split with the package itself and lay the tasks' predictions beside it."""
    from gptmill.tracking.package import Package

    test = score(Package.load(package), read_texts(root / "data/dedupe/documents.parquet"))
    _write_test(test, package / TEST)
    (package / TASKS).mkdir()
    for path in sorted((root / "reports/finetune").glob("*/predictions.csv")):
        shutil.copyfile(path, package / TASKS / f"{path.parent.name}.csv")


def read_texts(documents: Path, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Id → text of the test split, sorted by id, but for the ids in `without`."""
    import pyarrow.parquet as pq

    if not documents.is_file():
        raise UserError(f"{documents} does not exist; run `dvc repro`")
    table = pq.read_table(documents, columns=["id", "text"], filters=[("split", "==", "test")])
    texts = dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    return {id_: texts[id_] for id_ in sorted(texts) if id_ not in without}


def score(package: Package, texts: dict[str, str]) -> TestDocuments:
    """What each text costs the package's model."""
    from gptmill.evaluation.documents import document_nats

    sizes = np.array([len(text.encode("utf-8")) for text in texts.values()], dtype=np.float64)
    return TestDocuments(list(texts), sizes, document_nats(package.model, package.tokenizer, texts.values()))


def read_test(package: Path) -> TestDocuments | None:
    """What `write_scores` wrote; None for a package of an older gptmill."""
    import pyarrow.parquet as pq

    if not (package / TEST).is_file():
        return None
    table = pq.read_table(package / TEST)
    columns = (np.asarray(table[name], dtype=np.float64) for name in ("bytes", "nats"))
    return TestDocuments(table["id"].to_pylist(), *columns)


def read_predictions(package: Path) -> dict[str, Predictions]:
    """Task → its predictions, for each file with the columns `label` and `predicted`."""
    found = {}
    for path in sorted((package / TASKS).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if rows and {"label", "predicted"} <= rows[0].keys():
            found[path.stem] = Predictions([r["label"] for r in rows], [r["predicted"] for r in rows])
    return found


def intervals(package: Path, confidence: float, resamples: int) -> dict[str, Interval]:
    """Score → figure and interval: bits per byte, and the accuracy of each task."""
    found = {}
    test = read_test(package)
    if test is not None and test.ids:
        bits = test.nats / math.log(2)
        found[BITS] = ratio_interval(bits, test.bytes, confidence, resamples, SEED)
    for task, predictions in read_predictions(package).items():
        right = predictions.right
        found[f"tasks.{task}"] = ratio_interval(right, np.ones(len(right)), confidence, resamples, SEED)
    return found


def _write_test(test: TestDocuments, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"id": test.ids, "bytes": test.bytes.astype(np.int64), "nats": test.nats}
    pq.write_table(pa.table(columns), path, compression="zstd")
