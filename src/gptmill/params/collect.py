"""`collect`: where documents come from."""

from __future__ import annotations

import codecs
import encodings.aliases
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gptmill.errors import nearest
from gptmill.params import Name, NonEmpty, PositiveInt, Section, Seed


def _known_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)._is_text_encoding  # "hex" and "zip" are codecs too, but not of text
    except LookupError:
        known = False
    if not known:
        names = {alias.replace("_", "-") for alias in encodings.aliases.aliases}
        raise ValueError(
            f"unknown encoding {name!r}{nearest(name, sorted(names))} Leave it out to have it detected"
        )
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]
MaxChars = Annotated[int, Field(ge=1000)]


class Amount(Section):
    """How much of a source to take: all, unless a sample or a cap says less (gptmill.corpus.sampling)."""

    sample: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    max_documents: PositiveInt | None = None
    max_bytes: PositiveInt | None = None  # of text in UTF-8


class Docstrings(Amount):
    """The prose of one installed package, at a pinned version; licence from its metadata if not given."""

    name: Name
    kind: Literal["docstrings"]
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*==[^=\s]+$")]
    licence: NonEmpty | None = None


class Files(Amount):
    """A file, folder or glob, here or in a store: .txt, .md, .jsonl, .parquet, .html, .warc, also .gz, .zst."""

    name: Name
    kind: Literal["files"]
    path: NonEmpty
    licence: NonEmpty
    text_column: NonEmpty = "text"
    encoding: Encoding | None = None
    max_chars: MaxChars = 20_000


class HuggingFace(Amount):
    """Files of a dataset on the Hugging Face hub, by name and commit (branches and tags move)."""

    name: Name
    kind: Literal["huggingface"]
    dataset: NonEmpty
    revision: NonEmpty
    files: NonEmpty = "*.parquet"  # "*" also stands for folders, as on the hub
    licence: NonEmpty
    text_column: NonEmpty = "text"
    max_chars: MaxChars = 20_000


class Url(Amount):
    """One file behind http(s), its bytes pinned by a SHA-256."""

    name: Name
    kind: Literal["url"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: NonEmpty
    text_column: NonEmpty = "text"
    encoding: Encoding | None = None
    max_chars: MaxChars = 20_000


Source = Annotated[Docstrings | Files | HuggingFace | Url, Field(discriminator="kind")]


class Collect(Section):
    # Which documents a sample holds. Not the seed of training: another training needs no other corpus.
    sample_seed: Seed = 0
    max_ratio: Annotated[float, Field(ge=1.0)] = 200.0  # how many times its size a file may unpack to
    max_text_bytes: Annotated[int, Field(ge=1 << 20)] = 1 << 28  # of what is read at once: a text, a line
    sources: Annotated[list[Source], Field(min_length=1)]

    @model_validator(mode="after")
    def names_are_unique(self) -> Collect:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources share a name: {', '.join(twice)}; each needs its own")
        return self
