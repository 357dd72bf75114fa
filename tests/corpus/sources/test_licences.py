from __future__ import annotations

from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from gptmill.corpus.sources.licences import licence_of_text, package_licence

BSD3 = (
    "Redistributions of source code must retain the above notice.\n"
    "Neither the name of the copyright holder nor the names of its contributors may be used"
)


def package(folder: Path, fields: str, **files: str) -> Distribution:
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: p\nVersion: 1\n{fields}")
    (folder / "licenses").mkdir()
    for name, text in files.items():
        (folder / "licenses" / name).write_text(text)
    return PathDistribution(folder)


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ("License-Expression: MIT AND Zlib\nLicense: BSD", "MIT AND Zlib"),
        ("License: Apache-2.0", "Apache-2.0"),
        ("License: MIT License", "MIT"),
        ("Classifier: License :: OSI Approved :: Python Software Foundation License", "PSF-2.0"),
        (
            "License: BSD\nClassifier: License :: OSI Approved :: BSD License\nLicense-File: LICENSE",
            "BSD-3-Clause",
        ),
        ("License: BSD", "unknown"),
        ("", "unknown"),
    ],
)
def test_licence_from_metadata(tmp_path: Path, fields: str, licence: str) -> None:
    assert package_licence(package(tmp_path, fields, LICENSE=BSD3)) == licence


def test_licence_of_text() -> None:
    assert licence_of_text(BSD3) == "BSD-3-Clause"
    assert licence_of_text(BSD3.split("\n")[0]) == "BSD-2-Clause"
    assert licence_of_text("All rights reserved.") == "unknown"
