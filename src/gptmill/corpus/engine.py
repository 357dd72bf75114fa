"""Daft at the edges of a data stage: a runner to start with, sorted Parquet of fixed bytes to end with.

Traps of Daft 0.7 that this file and its users live with: `write_parquet` names files by UUID, so we
write with pyarrow; the order of rows after a shuffle is not fixed, so every out is sorted; its native
runner sorts in memory alone, so we sort (`sorting.py`); a Python UDF that makes maps must return a
pyarrow array (dicts panic); an exception in a UDF's process loses its type, so readers return errors
as values; workers of Ray start in a folder of their own, so paths in plans are absolute.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from gptmill.corpus.ahead import core_count
from gptmill.corpus.sorting import SortedFile, sorted_tables
from gptmill.errors import UserError
from gptmill.params.engine import Engine

if TYPE_CHECKING:
    import daft


def start_engine(engine: Engine | None = None) -> None:
    """Choose Daft's runner, without telemetry: the one given, else the one chosen before, else native.

    Call it before the first plan runs.

    Raises:
        UserError: when Ray is wanted and not installed, can't use its address, or finds nothing there.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")
    if engine is None or engine.runner == "native":
        os.environ.setdefault("DAFT_RUNNER", "native")
        import daft

        # One file or row group for each core: the eight of its default are so much memory, and no faster.
        daft.context.set_execution_config(scantask_max_parallel=core_count())
        return
    os.environ["DAFT_RUNNER"] = "ray"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray 2.60 warns of its own default
    try:
        import ray
    except ImportError:
        raise UserError("engine.runner: ray is not installed: `pip install gptmill[ray]`") from None
    import daft

    try:
        ray.init(address=engine.address or "local", log_to_driver=False, logging_level=logging.ERROR)
    except ValueError as error:
        raise UserError(
            f"engine.address: Ray can't use {engine.address}: {str(error).rstrip('.')}. "
            "Allowed: auto, HOST:PORT and ray://HOST:PORT"
        ) from None
    except ConnectionError as error:
        raise UserError(f"engine.address: no Ray cluster answers at {engine.address}: {error}") from None
    daft.set_runner_ray(noop_if_initialized=True)


def spread(plan: daft.DataFrame, rows: int) -> daft.DataFrame:
    """`plan`, whose `rows` rows come from this process, cut so that all CPUs of a Ray cluster get some."""
    if os.environ.get("DAFT_RUNNER") != "ray":
        return plan
    import ray

    cpus = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    return plan.into_partitions(min(rows, 4 * cpus))


def release_memory() -> None:
    """Give freed memory back to the system: allocators keep it, and that of the next step would come on top."""
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc
        trim(0)


def write_sorted(
    batches: Iterable[pa.RecordBatch], path: str | Path, schema: pa.Schema, by: list[str]
) -> int:
    """Write rows, sorted by the columns `by` (a total order), as one Parquet file.

    Rows beyond what memory should hold wait in temporary files beside `path`.

    Returns:
        The number of rows written.
    """
    tables = (pa.Table.from_batches([batch]).select(schema.names).cast(schema) for batch in batches)
    with SortedFile(path, schema) as file:
        for table in sorted_tables(tables, by, Path(path).parent):
            file.write(table)
    return file.rows


def write_rows(batches: Iterable[pa.RecordBatch], path: str | Path, schema: pa.Schema) -> int:
    """Write rows, sorted already, in the order in which they come; returns their number."""
    with SortedFile(path, schema) as file:
        for batch in batches:
            file.write(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
    return file.rows
