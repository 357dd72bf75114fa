"""gate: `python -m pipeline.gate <stage>` judges a stage's outs by expectations/<stage>.yaml."""

from __future__ import annotations

import sys

from gptmill.errors import UserError, run


def main() -> None:
    if len(sys.argv) != 2:
        raise UserError("usage: python -m pipeline.gate <stage>, such as collect")

    from gptmill.gates.run import gate

    gate(sys.argv[1])


if __name__ == "__main__":
    run(main)
