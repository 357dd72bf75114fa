"""Nats of each document: together what `stream_loss` finds on the shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gptmill.evaluation.documents import document_nats
from gptmill.models import build_model
from gptmill.models.loss import stream_loss
from gptmill.outs import write_json
from gptmill.tokens.shards import TokenStream, token_dtype, write_shards
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer


@pytest.mark.parametrize("document_mask", [False, True])
def test_documents_add_up_to_the_stream(tmp_path: Path, document_mask: bool) -> None:
    texts = [f"The array number {i} is returned by the function {i % 7}." * (1 + i % 3) for i in range(90)]
    tokenizer = Tokenizer(train_tokenizer(texts, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    sizes = {"vocab_size": 300, "block_size": 64, "n_layer": 1, "n_head": 2, "n_embd": 16}
    model = build_model("gpt1", **sizes, document_mask=document_mask).eval()
    rows = list(
        write_shards(
            (
                (str(i), np.array([*tokenizer.encode(t), tokenizer.eos_id], "<u2").tobytes(), len(t))
                for i, t in enumerate(texts)
            ),
            tmp_path,
            "test",
            token_dtype(300).itemsize,
            10_000,
        )
    )
    split = {"shards": 1, "bytes": sum(row["bytes"] for row in rows)}
    meta = {"vocab_size": 300, "eos_id": tokenizer.eos_id, "dtype": "<u2", "splits": {"test": split}}
    write_json(tmp_path / "meta.json", meta)
    nats = document_nats(model, tokenizer, texts)
    whole = stream_loss(model, TokenStream(tmp_path, "test"), batch_size=512)
    assert nats.shape == (90,)
    assert np.isclose(nats.sum(), whole.nats, rtol=1e-9)
    assert len(document_nats(model, tokenizer, [])) == 0
    assert document_nats(model, tokenizer, ["", "a"])[0] == 0
