"""A sizing table from measurements: python -m benchmarks.sizing benchmarks/results/memory.json --price 0.04

Between the two largest corpora measured of each stage: the seconds and megabytes that a document
more costs, without what starting costs. Beyond the largest size measured it is an extrapolation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gptmill.outs import read_json

STAGES = ("collect", "clean", "dedupe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path, help="what benchmarks.memory wrote")
    parser.add_argument("--price", type=float, default=0.04, help="of a CPU-hour")
    args = parser.parse_args()
    heads = (
        "stage",
        "documents / CPU-hour",
        "GB / CPU-hour",
        "MB / million documents",
        "CPU-hours / TB",
        "1 TB",
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for stage in STAGES:
        row = size([row for row in read_json(args.json) if row["stage"] == stage])
        hours = 1000 / row["gb_per_hour"]
        print(
            f"| {stage} | {row['documents_per_hour']:,.0f} | {row['gb_per_hour']:.2f} "
            f"| {row['mb_per_million']:,.0f} | {hours:,.0f} | {hours * args.price:,.0f} |"
        )


def size(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What a document more costs, between the two largest corpora."""
    first, last = sorted(rows, key=lambda row: row["megabytes"])[-2:]
    documents, hours = last["documents"] - first["documents"], (last["cpu_s"] - first["cpu_s"]) / 3600
    return {
        "documents_per_hour": documents / hours,
        "gb_per_hour": (last["megabytes"] - first["megabytes"]) / 1000 / hours,
        "mb_per_million": (last["peak_rss_mb"] - first["peak_rss_mb"]) / documents * 1e6,
    }


if __name__ == "__main__":
    main()
