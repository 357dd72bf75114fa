"""The log of requests: Parquet files in a folder, prompts without personal data, read by `gptmill monitor`.

Rows wait in memory and become a file each hundred requests, each half minute and when the server stops, so
a server that is killed loses at most those. A file appears whole or not at all. Feedback comes later than
its request, so it stands in files of its own and is joined when the log is read.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.corpus.pii import redact
from gptmill.errors import UserError

REQUEST = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # of the HTTP request; several prompts may share it
        pa.field("time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),  # personal data replaced, as `clean` does
        pa.field("prompt_hash", pa.string(), nullable=False),  # of that text: BLAKE2b-128, in hex
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("new_tokens", pa.int32(), nullable=False),
        pa.field("latency_ms", pa.float64(), nullable=False),  # of this prompt, without waiting
    ]
)
FEEDBACK = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("feedback", pa.float64(), nullable=False),
        pa.field("feedback_time", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
ROWS, SECONDS = 100, 30.0
Row = dict[str, Any]


class RequestLog:
    """Written by the server's threads."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.model = folder, model
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._rows: dict[str, list[Row]] = {"requests": [], "feedback": []}
        self._written = time.monotonic()

    def add(
        self, request_id: str, prompt: str, prompt_tokens: int, new_tokens: int, latency_ms: float
    ) -> None:
        """One prompt that was answered."""
        text = redact(prompt).text
        row = {
            "id": request_id,
            "time": datetime.now(UTC),
            "model": self.model,
            "prompt": text,
            "prompt_hash": hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest(),
            "prompt_tokens": prompt_tokens,
            "new_tokens": new_tokens,
            "latency_ms": latency_ms,
        }
        self._keep("requests", row)

    def feedback(self, request_id: str, value: float) -> None:
        """What a user thought of an answer; of several, the last counts."""
        row = {"id": request_id, "feedback": value, "feedback_time": datetime.now(UTC)}
        self._keep("feedback", row)

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._rows = self._rows, {"requests": [], "feedback": []}
            self._written = time.monotonic()
        for kind, rows in waiting.items():
            if rows:
                _write(self.folder, kind, rows)

    def _keep(self, kind: str, row: Row) -> None:
        with self._lock:
            self._rows[kind].append(row)
            full = sum(map(len, self._rows.values())) >= ROWS or time.monotonic() - self._written > SECONDS
        if full:
            self.flush()


def read_log(folder: Path) -> pa.Table:
    """All requests of a log by time, with `feedback`, null where none came.

    Raises:
        UserError: when there is no log.
    """
    files = sorted(folder.glob("requests-*.parquet")) if folder.is_dir() else []
    if not files:
        raise UserError(
            f"{folder} holds no log of requests (requests-*.parquet). `gptmill serve --log {folder}` writes one"
        )
    requests = pa.concat_tables([pq.read_table(path, schema=REQUEST) for path in files])
    given = [pq.read_table(path, schema=FEEDBACK) for path in sorted(folder.glob("feedback-*.parquet"))]
    last: dict[str, float] = {}
    for row in pa.concat_tables([FEEDBACK.empty_table(), *given]).sort_by("feedback_time").to_pylist():
        last[row["id"]] = row["feedback"]
    found = pa.array([last.get(id_) for id_ in requests["id"].to_pylist()], pa.float64())
    return requests.append_column("feedback", found).sort_by([("time", "ascending"), ("id", "ascending")])


def _write(folder: Path, kind: str, rows: list[Row]) -> None:
    schema = REQUEST if kind == "requests" else FEEDBACK
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    path = folder / f"{kind}-{stamp}-{os.getpid()}-{uuid.uuid4().hex[:8]}.parquet"
    partial = path.with_name(f".{path.name}")
    pq.write_table(pa.Table.from_pylist(rows, schema), partial, compression="zstd")
    partial.replace(path)
