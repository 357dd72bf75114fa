"""The project modules that each stage of dvc.yaml imports, and its deps made to say so.

DVC traces no imports: a module missing among a stage's deps means a stale model, one too many a
needless training. This reads imports with `ast`, also those inside functions, and follows them through
the project. `python scripts/code_deps.py` rewrites dvc.yaml; `make lint` and a test check that there is nothing to do.

One exception: what is behind `gptmill.tracking.observer`. An observer is told figures and can't change
an out, so a change there is no reason to train again.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

OBSERVER = "gptmill.tracking.observer"
ROOTS = {"gptmill": Path("src/gptmill"), "pipeline": Path("pipeline")}


def code_deps(entry: str, root: Path) -> list[str]:
    """Files, relative to `root`, of the module `entry` and all project modules it leads to."""
    todo, files = [entry], set()
    while todo:
        module = todo.pop()
        path = _file(module, root)
        if path is None or path in files or module == OBSERVER:
            continue
        files.add(path)
        todo += _imports(root / path, module)
        todo += [module.rpartition(".")[0]] if "." in module else []  # importing a.b runs a/__init__.py
    return sorted(path.as_posix() for path in files)


def _file(module: str, root: Path) -> Path | None:
    """The file of a project module or package; None for anything else, or a name within a module."""
    top, *rest = module.split(".")
    if top not in ROOTS:
        return None
    base = ROOTS[top].joinpath(*rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (root / path).is_file():
            return path
    return None


def _imports(path: Path, module: str) -> Iterator[str]:
    """Dotted names that a file imports; `from a import b` gives both `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in ast.walk(node):  # imports for annotations only: not run
                if isinstance(child, ast.Import | ast.ImportFrom):
                    child.module, child.names = None, []  # type: ignore[union-attr]
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.level:
                raise SystemExit(
                    f"{path}: line {node.lineno}: a relative import; write the full name ({module})"
                )
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_code(dep: str) -> bool:
    return dep.endswith(".py")


def with_code_deps(root: Path) -> tuple[YAML, Any, list[str]]:
    """dvc.yaml with true code deps, and the names of the stages that had to be changed."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200
    document = yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"))
    changed = []
    for name, stage in document["stages"].items():
        body = stage.get("do", stage)
        found = re.search(r"python -m ([\w.]+)", body["cmd"])
        if not found:
            raise SystemExit(f"dvc.yaml: stage {name}: the command runs no `python -m` module")
        wanted = [dep for dep in body["deps"] if not is_code(dep)] + code_deps(found[1], root)
        if list(body["deps"]) != wanted:
            body["deps"] = CommentedSeq(wanted)
            changed.append(name)
    return yaml, document, changed


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    yaml, document, changed = with_code_deps(root)
    if changed and "--check" in sys.argv:
        sys.exit(
            f"dvc.yaml: code deps of {', '.join(changed)} are not what they import; run python {sys.argv[0]}"
        )
    if changed:
        with (root / "dvc.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        print(f"rewrote the code deps of {', '.join(changed)}")


if __name__ == "__main__":
    main()
