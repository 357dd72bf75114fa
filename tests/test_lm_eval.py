"""lm-evaluation-harness on a local task: our adapter, and transformers on the exported folder, score alike."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lm_eval", reason="lm_eval is missing: pip install gptmill[lm-eval]")

from gptmill.lm_eval import GptmillLM
from gptmill.models import build_model, load_model, save_model
from gptmill.models.huggingface import export
from gptmill.tokens.huggingface import export_tokenizer
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

TASKS = {
    "local_choice": """
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "local_text": """
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}, {metric: word_perplexity}]
""",
    "local_answer": """
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{text}}"
generation_kwargs: {until: ["e"], max_gen_toks: 12, do_sample: false}
metric_list: [{metric: exact_match}]
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harness")
    texts = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    (folder / "package").mkdir()
    (folder / "package/tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    model = build_model("gpt2", vocab_size=300, block_size=48, n_layer=2, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    # No bytes in what it writes: those that are no UTF-8 are shown otherwise by the two decoders.
    model.token_embedding.weight.data[2:258] = 0.0
    save_model(model, folder / "package")
    tokenizer = Tokenizer.load(folder / "package/tokenizer.model")
    export(model, folder / "hf", tokenizer.eos_id)
    export_tokenizer(tokenizer, folder / "hf", 48)
    rows = [
        {
            "question": f"The array number {i}" + " and so on" * (i % 3) * 4,  # some beyond the context
            "choices": ["is sorted", "was returned by it", "is", "the function of the array number"],
            "answer": i % 4,
            "text": f"The array number {i} is returned. " * (1 + i % 5 * 3),
        }
        for i in range(12)
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tasks").mkdir()
    for name, text in TASKS.items():
        text = f"task: {name}" + text.replace("DATA", str(folder / "data.jsonl"))
        (folder / f"tasks/{name}.yaml").write_text(text)
    return folder


def run(model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    found = simple_evaluate(
        model,
        tasks=list(TASKS),
        task_manager=TaskManager(include_path=str(folder / "tasks"), include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    return {name: [sample["resps"] for sample in samples] for name, samples in found["samples"].items()} | {
        "results": found["results"]
    }


def test_the_adapter_scores_what_the_exported_folder_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("accelerate", reason="accelerate is missing: pip install lm_eval[hf]")
    from lm_eval.models.huggingface import HFLM

    ours = run(GptmillLM(str(folder / "package"), batch_size=5), folder, monkeypatch)
    theirs = run(
        HFLM(str(folder / "hf"), device="cpu", dtype="float32", add_bos_token=False), folder, monkeypatch
    )
    for name in TASKS:
        assert len(ours[name]) == 12
    for task in ("local_choice", "local_text"):
        for a, b in zip(_numbers(ours[task]), _numbers(theirs[task]), strict=True):
            assert a == pytest.approx(b, abs=1e-3)
    assert ours["local_answer"] == theirs["local_answer"]
    assert all("e" not in text for ((text,),) in ours["local_answer"])
    for task, metric in (("local_choice", "acc,none"), ("local_text", "bits_per_byte,none")):
        assert ours["results"][task][metric] == pytest.approx(theirs["results"][task][metric], abs=1e-4)


def test_a_text_s_likelihood_is_the_model_s_loss(folder: Path) -> None:
    from lm_eval.api.instance import Instance

    adapter = GptmillLM(str(folder / "package"))
    text = "The array number 7 is returned."
    request = Instance("loglikelihood_rolling", {}, (text,), 0)
    model, ids = load_model(folder / "package"), adapter.tok_encode(text)
    tokens = torch.tensor([[adapter.eot_token_id, *ids]])
    expected = -model.loss(tokens[:, :-1], tokens[:, 1:], reduction="sum").item()
    assert adapter.loglikelihood_rolling([request]) == [pytest.approx(expected, rel=1e-5)]
    assert math.isfinite(expected)


def _numbers(value: Any) -> list[float]:
    """All numbers in nested lists, as they come."""
    if isinstance(value, list | tuple):
        return [number for part in value for number in _numbers(part)]
    return [float(value)]
