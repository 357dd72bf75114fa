"""The licence of an installed package as an SPDX expression, from its metadata."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

UNKNOWN = "unknown"

# What people write in `License:` and what trove classifiers say, where it names one SPDX licence.
# "BSD" and "BSD License" do not (two clauses or three?): there the licence's text decides.
_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
_SPDX = re.compile(
    r"(0BSD|AFL-3\.0|Apache-2\.0|BSD-[1-4]-Clause|BSL-1\.0|CC0-1\.0|CC-BY(-SA)?-[34]\.0|ISC|MIT|MIT-0|"
    r"(A|L)?GPL-[23](\.[01])?(-only|-or-later)?|MPL-2\.0|PSF-2\.0|Python-2\.0|Unlicense|Zlib|ZPL-2\.1)"
)
# The sentence that only this licence has; the first that is found decides.
_SENTENCES = {
    "Apache-2.0": r"Apache License,?\s+Version 2\.0",
    "BSD-3-Clause": r"Redistributions of source code must retain.*Neither the names? of",
    "BSD-2-Clause": r"Redistributions of source code must retain",
    "MIT": r"Permission is hereby granted, free of charge.*THE SOFTWARE IS PROVIDED",
}


def package_licence(package: Distribution) -> str:
    """The SPDX expression of `package`, or "unknown".

    In this order: `License-Expression`; a `License` field or classifier that names one SPDX licence;
    the text of the licence, in the `License` field or in the files that the metadata names.
    """
    fields = package.metadata
    if "License-Expression" in fields:
        return fields["License-Expression"]
    stated = "".join(fields.get_all("License") or [])
    classifiers: list[str] = fields.get_all("Classifier") or []
    classified = [line.split(" :: ")[-1] for line in classifiers if line.startswith("License ::")]
    for name in [stated, *classified]:
        if _SPDX.fullmatch(name):
            return name
        if name.lower() in _NAMES:
            return _NAMES[name.lower()]
    texts = [stated] + [_licence_file(package, file) for file in fields.get_all("License-File") or []]
    return next((spdx for spdx in map(licence_of_text, texts) if spdx != UNKNOWN), UNKNOWN)


def licence_of_text(text: str) -> str:
    """The SPDX id of a licence's full text, or "unknown"."""
    for spdx, sentence in _SENTENCES.items():
        if re.search(sentence, text, re.DOTALL | re.IGNORECASE):
            return spdx
    return UNKNOWN


def _licence_file(package: Distribution, name: str) -> str:
    return package.read_text(f"licenses/{name}") or package.read_text(name) or ""
