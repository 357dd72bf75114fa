"""params: check all of params.yaml, before any stage does work.

Every stage stands on this one's out, which never changes: a mistake anywhere in params.yaml stops the
run at once, and a change that is no mistake reruns nothing by itself.
"""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.params.everything import load_everything


def main() -> None:
    load_everything()
    token = Path("data/gates/params.json")
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text('{"stage": "params"}\n', encoding="utf-8")


if __name__ == "__main__":
    run(main)
