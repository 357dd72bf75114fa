"""Docstrings: the prose of an installed package at a pinned version, read with `ast`, never imported.

Every non-empty docstring of a module, class, function or method is a document, short ones too (clean
decides). Files of tests are left out; vendored code inside a package stays, as its licence stands in
the package's metadata. Docstrings that are computed (`%` templates, decorators, `add_newdoc`) are no
literals in the place of a docstring, and are not seen.
"""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from gptmill.corpus.sources.licences import package_licence
from gptmill.corpus.sources.units import Skipped, Text, Unit
from gptmill.errors import UserError
from gptmill.params.collect import Docstrings

Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstring_units(source: Docstrings, rank: int) -> list[Unit]:
    """One unit for each .py file of the package, by path.

    Raises:
        UserError: when the package is not installed at the pinned version, or installed without files.
    """
    name, pinned = source.package.split("==")
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise UserError(f"{_at(source)}: {name} is not installed. {_remedy(name, pinned)}") from None
    if package.version != pinned:
        raise UserError(
            f"{_at(source)}: the installed version is {package.version}. {_remedy(name, pinned)}, "
            f"or pin {name}=={package.version} in params.yaml."
        )
    files = sorted(
        (file for file in package.files or [] if _is_source(PurePosixPath(file))), key=PurePosixPath.as_posix
    )
    if not files:
        raise UserError(
            f"{_at(source)}: the installation of {name} lists no .py files (an editable install lists none). "
            f"{_remedy(name, pinned)}"
        )
    group = name.lower()
    licence = source.licence or package_licence(package)
    return [
        Unit(
            source=source.name,
            rank=rank,
            kind="docstrings",
            path=str(Path(str(package.locate_file(file)))),
            uri=f"pkg:pypi/{group}@{quote(pinned)}/{quote(file.as_posix())}",
            group=group,
            licence=licence,
        )
        for file in files
    ]


def _at(source: Docstrings) -> str:
    return f'collect.sources "{source.name}": package {source.package}'


def _remedy(name: str, pinned: str) -> str:
    return f"Install the pinned one with `pip install {name}=={pinned}`"


def _is_source(file: PurePosixPath) -> bool:
    """A .py file inside the package, no file of its tests."""
    name = file.name
    of_tests = (
        {"tests", "test"} & set(file.parts[:-1])
        or name.startswith("test_")
        or name.endswith("_test.py")
        or name == "conftest.py"
    )
    return file.suffix == ".py" and ".." not in file.parts and not of_tests


def read_docstrings(unit: Unit) -> Iterator[Text]:
    """The docstrings of one .py file, in the order of the file.

    Raises:
        Skipped: when this Python cannot parse the file.
    """
    # An empty fragment stands for the module; "~2" tells apart a name defined twice (overloads, if/else).
    module = _module_name(unit)
    seen: dict[str, int] = {}
    for name, docstring in _docstrings(_parse(Path(unit.path)), ""):
        text = dedent(docstring)
        if text:
            seen[name] = seen.get(name, 0) + 1
            fragment = name if seen[name] == 1 else f"{name}~{seen[name]}"
            yield Text(text, fragment, {"module": module} | ({"object": name} if name else {}))


def _parse(path: Path) -> ast.Module:
    data = path.read_bytes()
    collecting = gc.isenabled()
    gc.disable()  # a tree has no cycles, and the collector's passes over it cost a third of the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in their strings are no concern of our users
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Skipped(f"this Python cannot parse it: {error}") from None
    finally:
        if collecting:
            gc.enable()


def _module_name(unit: Unit) -> str:
    """The dotted name of the module, from the path below the installation's root in the unit's uri."""
    parts = PurePosixPath(unit.uri.split("@", 1)[1]).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _docstrings(scope: Scope, name: str) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring as written) of `scope` and of every definition within it."""
    docstring = ast.get_docstring(scope, clean=False)
    if docstring:
        yield name, docstring
    for definition in _definitions(scope):
        yield from _docstrings(definition, f"{name}.{definition.name}" if name else definition.name)


def _definitions(node: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes and functions defined directly in `node`, also under its if, try, with and loops."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield child
            elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                yield from _definitions(child)


def dedent(docstring: str) -> str:
    """A docstring without the indentation of its code and without blank lines at its ends (PEP 257).

    Written out because `inspect.cleandoc` differs between versions of Python, and ids hash this text.
    """
    lines = [line.rstrip(" ") for line in docstring.expandtabs().split("\n")]
    margins = [len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip()]
    margin = min(margins, default=0)
    text = "\n".join([lines[0].lstrip(" "), *(line[margin:] for line in lines[1:])])
    return text.strip("\n") if text.strip() else ""
