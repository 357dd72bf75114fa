"""EleutherAI's lm-evaluation-harness on a gptmill model (`pip install gptmill[lm-eval]`).

    python -m gptmill.lm_eval run --model gptmill --model_args package=models/package --tasks hellaswag

is `lm_eval` with one more kind of model. Contexts that are too long lose tokens at their beginning, as in the
harness's own model for Hugging Face folders, which takes what `gptmill export` writes and gives the same scores.

Shapes: B batch, T time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

if TYPE_CHECKING:
    from gptmill.tracking.package import Package

Scored = tuple[float, bool]  # log-likelihood in nats, and whether greedy decoding gives the same tokens


class GptmillLM(TemplateLM):  # type: ignore[misc]
    """A package: `package` is a folder, or a registry URI such as models:/gptmill@champion."""

    def __init__(
        self,
        package: str = "models/package",
        batch_size: int | str = 16,
        device: str | None = None,
        max_gen_toks: int | str = 256,
        **_others: Any,
    ) -> None:
        super().__init__()
        self.package = _load(package)
        # The harness asks for cuda unless told otherwise, also where there is none.
        self.model = self.package.model.to(device if device and torch.cuda.is_available() else "cpu")
        self.batch_size = 16 if batch_size == "auto" else int(batch_size)
        self.max_length = self.model.config.block_size
        self.max_gen_toks = int(max_gen_toks)

    @property
    def eot_token_id(self) -> int:
        """What an empty context becomes."""
        return self.package.tokenizer.eos_id

    @property
    def tokenizer_name(self) -> str:
        """For the harness's cache of requests."""
        return "gptmill"

    def tok_encode(self, string: str, **_others: Any) -> list[int]:
        """Token ids without special ones."""
        return self.package.tokenizer.encode(string)

    def _loglikelihood_tokens(self, requests: list[Any], **_others: Any) -> list[Scored]:
        """How likely each continuation is: requests are (texts, context ids, continuation ids)."""
        pairs = [(context, continuation) for _, context, continuation in requests]
        return self._score(pairs)

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """The log-likelihood of whole texts, in disjoint windows of the context's length."""
        found = []
        for request in requests:
            ids = self.tok_encode(request.args[0])
            windows = get_rolling_token_windows(ids, self.prefix_token_id, self.max_length, context_len=1)
            pairs = [make_disjoint_window(window) for window in windows]
            found.append(sum(nats for nats, _ in self._score(pairs)))
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Continuations up to the request's stop strings; greedy unless it asks for draws."""
        from gptmill.completion import complete_ids

        found = []
        for request in requests:
            context, options = request.args
            stop = options.get("until") or []
            stop = [stop] if isinstance(stop, str) else list(stop)
            room = min(int(options.get("max_gen_toks", self.max_gen_toks)), self.max_length - 1)
            drawn = {name: options[name] for name in ("top_k", "top_p", "min_p") if name in options}
            greedy = not options.get("do_sample", options.get("temperature", 0.0) > 0)
            ids = self.tok_encode(context)[-(self.max_length - room) :]
            found += complete_ids(
                self.model,
                self.package.tokenizer,
                [ids],
                max_new_tokens=room,
                stop=[string for string in stop if string],
                temperature=0.0 if greedy else float(options.get("temperature", 1.0)),
                **({"top_k": 0} | drawn),
            )
        return found

    @torch.inference_mode()
    def _score(self, pairs: list[tuple[list[int], list[int]]]) -> list[Scored]:
        """Rows of like length go together, filled up on the right, where nothing looks."""
        cut = []
        for context, continuation in pairs:
            ids = [*context, *continuation][-(self.max_length + 1) :]
            cut.append((ids[:-1], ids[-len(continuation) :] if continuation else []))
        order = sorted(range(len(cut)), key=lambda place: len(cut[place][0]))
        found: dict[int, Scored] = {}
        for first in range(0, len(order), self.batch_size):
            places = order[first : first + self.batch_size]
            longest = max(len(cut[place][0]) for place in places)
            rows = [cut[place][0] + [0] * (longest - len(cut[place][0])) for place in places]
            hidden = self.model.hidden(torch.tensor(rows, device=self.model.token_embedding.weight.device))
            for state, place in zip(hidden, places, strict=True):
                read, continuation = cut[place]
                targets = torch.tensor(continuation, dtype=torch.long, device=state.device)
                chances = (
                    self.model.logits(state[len(read) - len(targets) : len(read)]).float().log_softmax(-1)
                )
                nats = chances.gather(1, targets[:, None]).sum()
                found[place] = float(nats), bool((chances.argmax(-1) == targets).all())
        return [found[place] for place in range(len(pairs))]


def _load(package: str) -> Package:
    from gptmill.commands.generate import load_package

    return load_package(package)


def main() -> None:
    """`lm_eval` that knows `--model gptmill`."""
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api.registry import register_model

    register_model("gptmill")(GptmillLM)
    cli_evaluate()


if __name__ == "__main__":
    main()
