"""What a document is: one row of Parquet, from collect to tokenize."""

from __future__ import annotations

import hashlib

import pyarrow as pa

# `uri` says where the text can be found again, without a path of this machine:
#   pkg:pypi/numpy@2.4.6/numpy/linalg/_linalg.py#qr     file:Emma.txt#3
# `meta` holds strings only. Every source sets `group` (the package, the file): what the text is part of.
DOCUMENT = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # BLAKE2b-128 of the text as collected, in hex
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # the source's name in params.yaml
        pa.field("uri", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),  # an SPDX expression, or "unknown"
        pa.field("origin", pa.string(), nullable=False),  # "real" or "synthetic"
        pa.field("lang", pa.string(), nullable=False),  # BCP 47, "und" where nobody has looked
        pa.field("meta", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)


def document_id(text: str) -> str:
    """The id of a document: BLAKE2b-128 of its text as collected, in hex."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
