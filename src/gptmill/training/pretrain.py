"""pretrain: next-token training from scratch, or masked-token training for bert, on Lightning."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer, seed_everything

from gptmill.errors import UserError
from gptmill.models import build_model, save_model
from gptmill.models.config import make_config
from gptmill.models.language_model import LanguageModel
from gptmill.models.measure import total_memory
from gptmill.models.start import start_from
from gptmill.outs import write_json
from gptmill.params.pretrain import Pretrain
from gptmill.params.recipes import settle
from gptmill.planning import GIB, check_fits, memory
from gptmill.tokens.shards import TokenStream
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.checkpoints import prune
from gptmill.training.curves import draw_losses, draw_speed, write_curve
from gptmill.training.data import Batches, batch_setting, count_windows, documents_in, sequences_at_once
from gptmill.training.guards import diverged
from gptmill.training.length import seconds_per_step, total_steps
from gptmill.training.lightning import (
    compiles,
    device_count,
    device_key,
    make_trainer,
    root_device,
    uses_bf16,
)
from gptmill.training.masking import loss_without_context, validation_loss
from gptmill.training.module import Pretraining
from gptmill.training.recording import Observe, Recording
from gptmill.training.resume import Resume

LEARNING_RATES = ("learning_rate", "matrix_learning_rate", "embedding_learning_rate")


def pretrain(
    params: Pretrain,
    seed: int,
    tokens: Path,
    model_out: Path,
    reports_out: Path,
    speed_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Train on `tokens` and write the model (`model_out`), figures and curves (`reports_out`).

    Args:
        speed_out: gets what depends on the clock, which is no out: tokens/s, MFU and memory over the steps.
        resume: folder for the state of an unfinished run with the same fingerprint; the caller removes it
            once the outs are in place. Its siblings, left by runs that were given up, are pruned.
        observe: told metrics by name and step; must not raise.

    Raises:
        UserError: when the text is too short for the model, shards are damaged, the loss or the gradient
            stops being finite, no checkpoint can be written, or one of another training is in its place.
    """
    train, validation = TokenStream(tokens, "train"), TokenStream(tokens, "validation")
    n_windows = count_windows(train, params.model.block_size, params.sequences, batch_setting(params))
    if not len(validation):
        raise UserError(
            f"the validation split in {tokens} has no tokens, and the model is scored on it: "
            "raise dedupe.validation_fraction in params.yaml, or collect more text"
        )
    _fits_the_device(params, train.vocab_size)
    prune(resume.parent, keep=resume)

    max_steps = total_steps(
        params,
        n_windows,
        measured=resume.with_name(f"{resume.name}.steps.json"),
        seconds_per_step=lambda: seconds_per_step(params, seed, train),
    )
    _fits_the_length(params, max_steps)

    seed_everything(seed, workers=True, verbose=False)
    model = _new_model(params, train.vocab_size, tokens)
    if compiles(params.accelerator, params.compile):
        model.compile()
    module = Pretraining(model, params, seed, train, max_steps)
    n_devices = device_count(params.accelerator, params.devices, params.num_nodes)
    folder = resume / device_key(params.accelerator, n_devices)

    def not_finite(what: str, value: float, step: int) -> UserError:
        batches = Batches(
            train,
            block_size=params.model.block_size,
            batch_size=params.sequences,
            seed=seed,
            max_steps=max_steps,
        )
        starts = [window * batches.block_size for window in batches.windows(step - 1)]
        ids = documents_in(tokens, "train", starts, batches.block_size + 1)
        good = saving.files.found()
        rate = module.rates.learning_rate
        return diverged(what, value, step, rate, ids, resume, good[0] if good else None)

    recording = Recording(params, max_steps, validation, observe, not_finite)
    made_with = {f"model.{name}": value for name, value in asdict(model.config).items()}
    made_with["optimizer.name"] = module.rates.name
    saving = Resume(
        folder,
        params.checkpoint_every,
        params.checkpoint_minutes,
        before_save=recording.read,
        made_with=made_with,
    )
    trainer = make_trainer(
        max_steps=max_steps,
        callbacks=[recording, saving],
        accelerator=params.accelerator,
        devices=params.devices,
        num_nodes=params.num_nodes,
        strategy=params.strategy,
        precision=params.precision,
    )
    checkpoint = saving.checkpoint
    if checkpoint:
        print(f"going on from {checkpoint}")
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    _finish(trainer, module, recording, validation, n_windows, model_out, reports_out)
    if trainer.is_global_zero:
        observe({"checkpoint_seconds": saving.seconds}, int(trainer.global_step))
        speed_out.mkdir(parents=True, exist_ok=True)
        write_curve(recording.speed, speed_out / "speed.csv")
        draw_speed(recording.speed, speed_out / "speed.png")


def _finish(
    trainer: Trainer,
    module: Pretraining,
    recording: Recording,
    validation: TokenStream,
    n_windows: int,
    model_out: Path,
    reports_out: Path,
) -> None:
    """Score the whole validation split, and write the outs."""
    params, model = module.params, module.model
    if params.strategy == "fsdp":
        weights = trainer.strategy.lightning_module_state_dict()  # all take part, the first gets them
        model = build_model(**asdict(model.config))
        if trainer.is_global_zero:
            model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    if not trainer.is_global_zero:
        return
    model.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU
    with trainer.precision_plugin.forward_context():
        final = validation_loss(model, validation, sequences_at_once(params))
    if not math.isfinite(final.per_token):
        raise recording.diverged("validation loss", final.per_token, int(trainer.global_step))
    unigram = loss_without_context(model, module.train_stream, validation)
    bits = {"val_bits_per_byte": final.nats / math.log(2) / validation.bytes} if model.causal else {}
    steps = int(trainer.global_step)
    save_model(model, model_out)
    write_json(
        reports_out / "metrics.json",
        {
            "parameters": sum(p.numel() for p in model.parameters()),
            "steps": steps,
            "tokens": steps * params.sequences * params.model.block_size,
            "epochs": round(steps * params.sequences / n_windows, 4),
            "train_loss": recording.train[-1]["train_loss"],
            "val_loss": final.per_token,
            **bits,
            "unigram_loss": unigram,
            "loss_spikes": recording.spikes.count,
            # What `auto` came to.
            "warmup_steps": module.rates.warmup_steps,
            **{f"peak_{name}": getattr(module.rates, name) for name in LEARNING_RATES},
        },
    )
    write_curve(recording.train, reports_out / "train.csv")
    write_curve(recording.validation, reports_out / "validation.csv")
    draw_losses(recording.train, recording.validation, unigram, reports_out / "losses.png")


def _new_model(params: Pretrain, vocab_size: int, tokens: Path) -> LanguageModel:
    arguments = params.model.arguments() | {"document_mask": params.document_mask}
    if params.init_from is None:
        model = build_model(vocab_size=vocab_size, **arguments)
    else:
        pieces = Tokenizer.load(tokens / "tokenizer.model").pieces()
        model = start_from(params.init_from, make_config(vocab_size=vocab_size, **arguments), pieces)
    model.activation_checkpointing = params.activation_checkpointing
    return model


def _fits_the_device(params: Pretrain, vocab_size: int) -> None:
    sequences = sequences_at_once(params)
    available = total_memory(root_device(params.accelerator))
    how: dict[str, Any] = {
        "sequences": sequences,
        "optimizer": settle(params.optimizer, params.model, steps=1).name,
        "bf16": uses_bf16(params.accelerator, params.precision),
        "activation_checkpointing": params.activation_checkpointing,
    }
    if params.strategy != "fsdp":
        check_fits(params.model, vocab_size, available=available, **how)
        return
    whole = memory(params.model, vocab_size, **how)
    n_devices = device_count(params.accelerator, params.devices, params.num_nodes)
    spread = (whole.weights + whole.gradients + whole.optimizer) // n_devices
    if spread + whole.activations > available:
        raise UserError(
            f"the model is too large for these {n_devices} devices: each would hold {spread / GIB:.1f} GiB of "
            f"weights, gradients and optimizer and {whole.activations / GIB:.1f} GiB for {sequences} sequences of "
            f"{params.model.block_size} tokens, and it has {available / GIB:.1f} GiB. Lower "
            "pretrain.micro_batch_size or the model's sizes, set activation_checkpointing: true, or add devices"
        )


def _fits_the_length(params: Pretrain, max_steps: int) -> None:
    """What can be known only once `auto` and the number of steps are settled."""
    rates = settle(params.optimizer, params.model, max_steps)
    if rates.warmup_steps >= max_steps:
        raise UserError(
            f"pretrain.optimizer.warmup_steps = {rates.warmup_steps} leaves no step to train: "
            f"this run has {max_steps} steps"
        )
