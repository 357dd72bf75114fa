"""What the model's bits per byte are measured against, on the same bytes."""

from __future__ import annotations

import lzma

import numpy as np

from gptmill.tokens.shards import TokenStream
from gptmill.tokens.tokenizer import Tokenizer


def stream_text(stream: TokenStream, tokenizer: Tokenizer) -> bytes:
    """The UTF-8 text of all documents of a stream, one after the other.

    Raises:
        ValueError: when it isn't as long as the shards' index says, so that figures would not compare.
    """
    ids = stream.window(0, len(stream))
    documents = np.split(ids, np.flatnonzero(ids == stream.eos_id))
    text = "".join(tokenizer.decode(document.tolist()) for document in documents).encode("utf-8")
    if len(text) != stream.bytes:
        raise ValueError(f"the stream decodes to {len(text)} bytes, its index says {stream.bytes}")
    return text


def xz_bytes(text: bytes) -> int:
    """Size of `xz -9` on `text`: a compressor that learns from the same bytes while it reads them."""
    return len(lzma.compress(text, format=lzma.FORMAT_XZ, preset=9))
