"""The code of a stage: the project modules that it imports, and what they hold.

DVC traces no imports: a module missing among a stage's deps means a stale model, one too many a needless
training. So the stage `code` reads the imports with `ast`, also those inside functions, follows them
through the project, and writes one file a stage that holds the hash of each module found. A stage depends
on its file: by construction on exactly the modules it imports. (Listed one by one in dvc.yaml, 25 modules
a stage made DVC spend most of an idle `dvc repro` on reading dvc.lock; docs/log.md has the figures.)

One exception: what is behind `gptmill.tracking.observer`. An observer is told figures and can't change
an out, so a change there is no reason to train again.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from gptmill.errors import UserError

OBSERVER = "gptmill.tracking.observer"
ROOTS = {"gptmill": Path("src/gptmill"), "pipeline": Path("pipeline")}


def stage_modules(root: Path) -> list[str]:
    """The names of the modules in `pipeline/`, but for `code` itself."""
    return sorted(
        path.stem for path in (root / "pipeline").glob("*.py") if path.stem not in ("__init__", "code")
    )


def digests(module: str, root: Path) -> dict[str, str]:
    """File → MD5 of its content, for the module named (such as "pipeline.clean") and all it leads to."""
    return {
        path: hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest()
        for path in modules(module, root)
    }


def modules(entry: str, root: Path) -> list[str]:
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
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.msg}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in ast.walk(node):  # imports for annotations only: not run
                if isinstance(child, ast.Import | ast.ImportFrom):
                    child.module, child.names = None, []  # type: ignore[union-attr]
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise UserError(f"{path}: line {node.lineno}: a relative import; write the full name ({module})")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
