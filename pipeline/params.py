"""params: check all of params.yaml, before any stage does work.

Every stage stands on this one's out, which never changes: a mistake anywhere in params.yaml stops the
run at once, and a change that is no mistake reruns nothing by itself.
"""

from __future__ import annotations

from gptmill.errors import run
from gptmill.outs import write_json
from gptmill.params.everything import load_everything


def main() -> None:
    load_everything()
    write_json("data/gates/params.json", {"stage": "params"})


if __name__ == "__main__":
    run(main)
