"""code: which project modules each stage imports, with their hashes: data/code/<stage>.json.

It runs when any module has changed; the stages that import that module run after it, and no other.
"""

from __future__ import annotations

from pathlib import Path

from gptmill.code import digests, stage_modules
from gptmill.errors import run
from gptmill.outs import new_outs, write_json


def main() -> None:
    root = Path()
    with new_outs("data/code") as (out,):
        for stage in stage_modules(root):
            write_json(out / f"{stage}.json", digests(f"pipeline.{stage}", root))


if __name__ == "__main__":
    run(main)
