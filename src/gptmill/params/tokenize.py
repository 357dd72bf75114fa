"""`tokenize`: the SentencePiece model and the token shards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gptmill.params import PositiveInt, Section


class Tokenize(Section):
    model_type: Literal["bpe", "unigram"]
    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)]
    character_coverage: Annotated[float, Field(gt=0.9, le=1.0)]
    train_chars: PositiveInt
    shard_tokens: Annotated[int, Field(ge=1024)]
