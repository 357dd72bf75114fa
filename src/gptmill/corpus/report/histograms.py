"""Histograms of lengths and signals: who stays, who goes by this rule, who goes by another.

Counts are exact, made in batches. The range of an axis is read off a sample, so that a single document of
three million words does not squeeze the others into one bar; what lies outside is counted in the outer bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gptmill.corpus.report.tables import BATCH, existing, sample, with_bytes_of, with_text_bytes
from gptmill.params.clean import Threshold

BINS = 32
SPREAD = 0.995  # share of the sample that an axis shows
MANY = 50  # from here up a whole-numbered range gets a logarithmic axis

Ints = np.ndarray


@dataclass(frozen=True)
class SignalHistogram:
    """Documents a bin by fate, and `zeros`, those left out of the bins.

    Most signals are 0 for most documents, and a bar that high hides the rest. Where a minimum judges
    zeros, too, they have their bin.
    """

    signal: str
    limits: Threshold | None
    edges: list[float]
    log: bool
    kept: list[int]
    dropped_here: list[int]
    dropped_elsewhere: list[int]
    zeros: int

    @property
    def documents(self) -> int:
        return sum(self.kept) + sum(self.dropped_here) + sum(self.dropped_elsewhere) + self.zeros


def signals_of(clean: Path) -> list[str]:
    """The signals that clean has measured: its numeric columns, but for counts of personal data."""
    schema = pq.read_schema(existing(clean / "documents.parquet"))
    numeric = [f.name for f in schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    return [name for name in numeric if not name.startswith("pii_")]


def signal_histogram(clean: Path, signal: str, limits: Threshold | None) -> SignalHistogram:
    """The distribution of one signal over the documents that clean kept and dropped."""
    kept_file, dropped_file = clean / "documents.parquet", clean / "dropped.parquet"
    values = np.concatenate([sample(path, signal) for path in (kept_file, dropped_file)])
    bounds = [bound for bound in (limits.min, limits.max) if bound is not None] if limits else []
    edges, log = axis(values[values != 0], bounds)
    all_drawn = limits is not None and limits.min is not None
    kept, here, elsewhere = (np.zeros(len(edges) - 1, np.int64) for _ in range(3))
    zeros = 0
    for batch in pq.ParquetFile(kept_file).iter_batches(BATCH, columns=[signal]):
        column = _numbers(batch[signal])
        drawn = (column != 0) | all_drawn
        zeros += int((~drawn).sum())
        kept += binned(column[drawn], edges)
    for batch in pq.ParquetFile(dropped_file).iter_batches(BATCH, columns=[signal, "reason"]):
        column = _numbers(batch[signal])
        drawn = (column != 0) | all_drawn
        zeros += int((~drawn).sum())
        mine = pc.equal(batch["reason"], signal).to_numpy(zero_copy_only=False)
        here += binned(column[mine & drawn], edges)
        elsewhere += binned(column[~mine & drawn], edges)
    return SignalHistogram(
        signal, limits, edges, log, kept.tolist(), here.tolist(), elsewhere.tolist(), zeros
    )


def length_histogram(data: Path) -> tuple[list[float], dict[str, list[int]]]:
    """Documents by the size of their cleaned text in bytes: edges, and counts by fate.

    The fates are `kept`, `dedupe` (dropped there) and `clean`. Texts of no bytes are left out.
    """
    clean = data / "clean"
    tables: dict[str, Iterator[pa.Table]] = {
        "kept": with_text_bytes(data / "dedupe" / "documents.parquet", []),
        "dedupe": with_bytes_of(data / "dedupe" / "dropped.parquet", [], texts=clean / "documents.parquet"),
        "clean": with_text_bytes(clean / "dropped.parquet", []),
    }
    edges = [float(2**power) for power in range(41)]  # to 1 TB, cut to what there is below
    counts = {
        fate: sum((binned(_numbers(batch["bytes"]), edges) for batch in batches), np.zeros(40, np.int64))
        for fate, batches in tables.items()
    }
    filled = np.flatnonzero(sum(counts.values()))
    first, last = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 1)
    return edges[first : last + 1], {fate: part[first:last].tolist() for fate, part in counts.items()}


def axis(values: np.ndarray, bounds: Sequence[float]) -> tuple[list[float], bool]:
    """Bin edges for `values` (none of them 0) that also show `bounds`, and whether they are logarithmic."""
    shown = [bound for bound in bounds if bound > 0]
    if len(values):
        low, high = np.quantile(values, [1 - SPREAD, SPREAD]).tolist()
    else:
        low, high = 0.0, max([1.0, *shown])
    whole = bool(len(values)) and bool(np.all(values == np.round(values)))
    if whole and low >= 0 and high > MANY:
        top = max([high, *(bound * 1.2 for bound in shown)])
        return log_edges(max(1.0, min([low, *shown])), top), True
    top = max([high, *(bound * 1.1 for bound in shown)])
    bottom = min(0.0, low)
    if whole and top - bottom <= MANY:
        # A bin a number, centred on it.
        return [i - 0.5 for i in range(math.floor(bottom), math.ceil(top) + 2)], False
    if low > 0.3 * top:  # mean word lengths, language scores: far from 0
        bottom = max(0.0, min([low, *(bound * 0.9 for bound in shown)]))
    if top - bottom <= 1e-6 * abs(top):
        bottom, top = bottom - (0.1 * abs(bottom) or 1.0), top + (0.1 * abs(top) or 1.0)
    return [float(f"{bottom + (top - bottom) * i / BINS:.9g}") for i in range(BINS + 1)], False


def log_edges(low: float, high: float) -> list[float]:
    """`BINS` bins of equal ratio from a power of ten to a power of ten or half of one."""
    start = math.floor(math.log10(low))
    end = math.ceil(2 * math.log10(max(high, low * 10))) / 2
    return [round(10 ** (start + (end - start) * i / BINS), 9) for i in range(BINS + 1)]


def binned(values: np.ndarray, edges: Sequence[float]) -> Ints:
    """How many values lie in each bin; the outer bins also hold what lies beyond them. NaN counts first."""
    at = np.searchsorted(np.asarray(edges), np.nan_to_num(values, nan=edges[0]), side="right") - 1
    return np.bincount(np.clip(at, 0, len(edges) - 2), minlength=len(edges) - 1)


def _numbers(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
