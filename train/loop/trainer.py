"""TRL's trainer of a method as callproof runs it, and the figures that it leaves behind."""

from typing import Any

import torch
from transformers import EarlyStoppingCallback

from callproof.config import RunConfig
from callproof.console import Phases

from ..adapter.model import load_base, use_bf16, with_adapter
from ..cpu import quicken
from ..rows.encode import Encoder, Row
from .arguments import arguments
from .evaluation import Evaluator
from .methods import learning
from .methods.callbacks import LogWhereSaved, ReportProgress


def make_trainer(
    config: RunConfig,
    encoder: Encoder,
    rows: list[Row],
    evaluator: Evaluator | None = None,
    phases: Phases | None = None,
) -> Any:
    """A trainer over ready rows: no templating, no truncation, the LoRA that the configuration describes.

    The evaluator may be None where `train.evaluates` is false. Evaluations in training are a phase of `phases`.
    """
    on_gpu = torch.cuda.is_available()
    model, lora = with_adapter(config, load_base(config, on_gpu))
    model.config.pad_token_id = encoder.tokenizer.pad_token_id
    patience = config.train.early_stopping_patience
    report = ReportProgress(config.output_dir)
    how = learning(config.train.method)
    trainer: Any = how.trainer(
        evaluator=evaluator,
        phases=phases,
        model=model,
        args=arguments(config, on_gpu, max(len(row.input_ids) for row in rows)),
        train_dataset=how.dataset(rows, config),
        eval_dataset=learning("sft").dataset(evaluator.rows, config) if evaluator and config.train.evaluates else None,
        processing_class=encoder.tokenizer,
        peft_config=lora,
        callbacks=[
            LogWhereSaved(),
            report,
            *([EarlyStoppingCallback(patience)] if patience else []),
        ],
        **how.options(encoder, config),
    )
    report.tokens = trainer.trained_tokens
    supervised = config.train.method == "sft" and not config.train.packing
    if use_bf16(config, on_gpu) and supervised and not (on_gpu or trainer.sharded):
        quicken(trainer.model)
    return trainer


def mean_loss(history: list[dict[str, float]]) -> float:
    """The mean loss of all steps; each logged loss is the mean of the steps since the log entry before it."""
    total, done = 0.0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - done)
            done = entry["step"]
    return total / done


def evaluations(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Step and figures of each evaluation in training; where a resumed run repeats one, the later one."""
    timing = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")
    by_step = {
        entry["step"]: {key: value for key, value in entry.items() if key.startswith("eval_") and key not in timing}
        for entry in history
        if "eval_loss" in entry
    }
    return [{"step": step, **figures} for step, figures in by_step.items()]
