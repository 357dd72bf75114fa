from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.sources.docstrings import dedent, docstring_units, read_docstrings
from gptmill.corpus.sources.reading import read_result, read_unit
from gptmill.errors import UserError
from gptmill.params.collect import Docstrings

MODULE = '''"""The module.

    Indented.
"""
raise RuntimeError("never imported")

def f():
    """First f."""
    def inner(): "Inner."

class C:
    """A class."""
    x = 1
    """Not a docstring: it documents an attribute."""
    if x:
        def f(self): """Method."""
    else:
        async def f(self): """Method, otherwise."""

try:
    def f():
        """Second f. \\d"""
except ImportError:
    def g(): f"""Computed {1}."""
    def h(): """   """
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package `Proseful` 1.2 whose modules fail when imported."""
    files = {
        "proseful/__init__.py": MODULE,
        "proseful/sub/deep.py": '"""Deep."""\n',
        "proseful/tests/test_f.py": '"""A test."""\n',
        "proseful/conftest.py": '"""A fixture."""\n',
        "proseful/broken.py": '"""Broken."""\ndef (:\n',
        "proseful/data.txt": "no Python",
    }
    info = tmp_path / "Proseful-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: Proseful\nVersion: 1.2\nLicense: MIT\n")
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    listed = [*files, "../../bin/prose.py"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in listed))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def source(package: str, licence: str | None = None) -> Docstrings:
    return Docstrings(name="prose", kind="docstrings", package=package, licence=licence)


@pytest.mark.usefixtures("package")
def test_units_are_the_source_files_of_the_package() -> None:
    units = docstring_units(source("Proseful==1.2"), 3)
    assert [unit.uri for unit in units] == [
        "pkg:pypi/proseful@1.2/proseful/__init__.py",
        "pkg:pypi/proseful@1.2/proseful/broken.py",
        "pkg:pypi/proseful@1.2/proseful/sub/deep.py",
    ]
    assert {(unit.group, unit.licence, unit.rank) for unit in units} == {("proseful", "MIT", 3)}
    assert docstring_units(source("Proseful==1.2", "ISC"), 0)[0].licence == "ISC"


@pytest.mark.usefixtures("package")
def test_every_docstring_with_its_qualified_name() -> None:
    units = docstring_units(source("Proseful==1.2"), 0)
    texts = {text.fragment: text.text for text in read_docstrings(units[0])}
    assert texts == {
        "": "The module.\n\nIndented.",
        "f": "First f.",
        "f.inner": "Inner.",
        "C": "A class.",
        "C.f": "Method.",
        "C.f~2": "Method, otherwise.",
        "f~2": "Second f. \\d",
    }
    assert "proseful" not in sys.modules
    (deep,) = read_docstrings(units[2])
    assert units[2].uri == "pkg:pypi/proseful@1.2/proseful/sub/deep.py"
    assert (units[2].group, deep.meta) == ("proseful", {"module": "proseful.sub.deep"})


@pytest.mark.usefixtures("package")
def test_a_file_that_is_no_python_is_skipped_not_fatal(tmp_path: Path) -> None:
    part = tmp_path / "part.parquet"
    result = read_unit(docstring_units(source("Proseful==1.2"), 0)[1], part)
    assert read_result(part) == result
    assert result["error"] is None
    assert "cannot parse it: invalid syntax" in result["skipped"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ("Proseful==1.3", "installed version is 1.2.*pip install Proseful==1.3.*or pin Proseful==1.2"),
        ("nosuchpackage==1", "nosuchpackage is not installed.*pip install nosuchpackage==1"),
    ],
)
def test_another_version_is_refused(pin: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        docstring_units(source(pin), 0)


def test_an_editable_install_is_refused(package: Path) -> None:
    (package / "Proseful-1.2.dist-info" / "RECORD").write_text("__editable__.pth,,\n")
    with pytest.raises(UserError, match="editable"):
        docstring_units(source("Proseful==1.2"), 0)


@given(st.lists(st.sampled_from(["a", "  ", "\n", "    b", "\t"]), max_size=12).map("".join))
def test_dedent_agrees_with_the_standard_library_on_words(text: str) -> None:
    expected = [line.rstrip() for line in inspect.cleandoc(text).split("\n")]
    assert "\n".join(expected).strip("\n") == dedent(text)
