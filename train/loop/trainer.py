"""TRL's trainer as callproof runs it: ready rows, sealed checkpoints, an order that resumes, evaluation by answers."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from accelerate.utils import RNGType, synchronize_rng_state
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import TrainerState
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import EvalLoopOutput
from trl.trainer.sft_trainer import SFTTrainer
from typing_extensions import override

from callproof.config import RunConfig
from callproof.console import Phases, Steps
from callproof.errors import UserError

from ..adapter.model import load_base, use_bf16, with_adapter
from ..cpu import quicken
from ..rows.encode import IGNORED, Encoder, Row
from .arguments import arguments
from .checkpoints import seal
from .evaluation import Evaluator
from .loss import TokenWeights, supervised_loss, token_weights
from .progress import Pace, Progress, write_progress

ORDER_FILE, STATE_FILE = "row_order.pth", "trainer_state.json"


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
    trainer: Any = AdapterTrainer(
        evaluator=evaluator,
        phases=phases,
        weights=token_weights(encoder, config.train.loss_weights),
        model=model,
        args=arguments(config, on_gpu, max(len(row.input_ids) for row in rows)),
        train_dataset=_dataset(rows),
        eval_dataset=_dataset(evaluator.rows) if evaluator and config.train.evaluates else None,
        processing_class=encoder.tokenizer,
        peft_config=lora,
        callbacks=[
            LogWhereSaved(),
            report,
            *([EarlyStoppingCallback(patience)] if patience else []),
        ],
    )
    report.tokens = trainer.trained_tokens
    if use_bf16(config, on_gpu) and not (on_gpu or trainer.sharded or config.train.packing):
        quicken(trainer.model)
    return trainer


class AdapterTrainer(SFTTrainer):
    """TRL's trainer; `evaluator` replaces its evaluation loop, and `weights`, unless None, its loss.

    `phases`: where evaluations are counted as a phase of their own.
    """

    def __init__(
        self, evaluator: Evaluator | None, weights: TokenWeights | None, phases: Phases | None = None, **options: Any
    ) -> None:
        self.evaluator, self._weights, self._phases = evaluator, weights, phases
        self._tokens: Any = 0
        self._order: RowOrder | None = None
        self._resumed_order: torch.Tensor | None = None
        super().__init__(**options)

    @property
    def sharded(self) -> bool:
        """Whether processes hold parts of the weights."""
        return self.is_fsdp_enabled or self.is_deepspeed_enabled

    def run(self, checkpoint: Path | None) -> None:
        """Train from the start, or go on from a checkpoint; afterwards `state` and `model` are those of the end."""
        try:
            self._run(checkpoint)
        finally:
            for callback in self.callback_handler.callbacks:
                if isinstance(callback, ReportProgress):
                    callback.close()

    def _run(self, checkpoint: Path | None) -> None:
        if checkpoint is None:
            self.train()
            return
        state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
        if _ended(state):
            best = state.best_model_checkpoint if self.args.load_best_model_at_end else None
            self._load_from_checkpoint(best or str(checkpoint))
            self.state = state
            return
        if (checkpoint / ORDER_FILE).is_file() and state.epoch != int(state.epoch):
            self._resumed_order = torch.load(checkpoint / ORDER_FILE, weights_only=True)
        try:
            self.train(resume_from_checkpoint=str(checkpoint))
        except UnpicklingError:
            problem = "holds a pickle of more than tensors, which could run code"
            raise UserError(
                checkpoint, problem, "delete it, and go on from an earlier one or without --resume"
            ) from None

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch; on a CPU, and with token weights, `supervised_loss` in place of TRL's fused loss.

        TRL's fused loss would take a third of a step's time on a CPU. `num_items_in_batch` counts the supervised tokens
        of all processes; their gradients are averaged, so the quotient is multiplied by the number of processes.
        """
        self._tokens = self._tokens + (inputs["attention_mask"].sum() if "attention_mask" in inputs else 0)
        if not (self.args.use_cpu or self._weights):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        total = supervised_loss(model, inputs, self._weights(labels) if self._weights else None)
        if num_items_in_batch is None:
            return total / (labels[:, 1:] != IGNORED).sum()
        return total / num_items_in_batch * self.accelerator.num_processes

    def trained_tokens(self) -> int:
        """Tokens of all processes so far, padding left out; 0 where batches are packed without a mask."""
        return int(self._tokens) * self.accelerator.num_processes

    def evaluation_loop(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> EvalLoopOutput:
        """Figures of the evaluator, which the best step and early stopping look at."""
        assert self.evaluator is not None
        with self._phases.within("evaluating") if self._phases else nullcontext():
            figures = self.evaluator.figures(self)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        return EvalLoopOutput(
            predictions=np.empty(0), label_ids=None, metrics=metrics, num_samples=self.evaluator.turns
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        sampler = super()._get_train_sampler(train_dataset)
        if isinstance(sampler, LengthGroupedSampler):
            sampler = self._order = RowOrder(sampler, self._resumed_order)
        return sampler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save and self._order and self._order.begun_at is not None:
            torch.save(self._order.begun_at, folder / ORDER_FILE)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seal(folder)


class RowOrder(Sampler[int]):
    """The order of one epoch, drawn from PyTorch's generator, whose state before the draw is kept.

    Transformers restores the generator only after it has drawn a resumed epoch's order, which then differs from that of
    the uninterrupted run. Processes draw from the state of the first, for dropout moves their generators apart.
    """

    def __init__(self, sampler: LengthGroupedSampler, resumed: torch.Tensor | None) -> None:
        self._sampler, self._resumed = sampler, resumed
        self.begun_at: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        if self._resumed is None:
            synchronize_rng_state(RNGType.TORCH)
        else:
            torch.set_rng_state(self._resumed)
            self._resumed = None
        self.begun_at = torch.get_rng_state()
        return iter(self._sampler)


class LogWhereSaved(TrainerCallback):
    """Logs the loss at every checkpoint and at the end, so that none is lost when a run is resumed."""

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_log |= control.should_save or control.should_training_stop

    @override
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_log |= control.should_save


class ReportProgress(TrainerCallback):
    """Writes `progress.json` at every step, and shows the same on stderr."""

    def __init__(self, output_dir: Path) -> None:
        self._output_dir = output_dir
        self._steps: Steps | None = None
        self._pace: Pace | None = None
        self.tokens: Callable[[], int] = lambda: 0

    @override
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self._pace = Pace(state.global_step, self.tokens)
            self._steps = Steps("training", state.max_steps, self._pace.tell, done=state.global_step)
            self._steps.__enter__()
            self._report(state)

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._report(state)

    @override
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._report(state)

    def close(self) -> None:
        """End the display, however the training ended."""
        if self._steps:
            self._steps.__exit__()
            self._steps = None

    def _report(self, state: Any) -> None:
        if not (self._steps and self._pace):
            return
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), None)
        self._pace.loss = loss
        self._steps.reach(state.global_step)
        figures = Progress(
            step=state.global_step,
            total_steps=state.max_steps,
            epoch=state.epoch or 0.0,
            total_epochs=state.num_train_epochs,
            loss=loss if loss is not None and math.isfinite(loss) else None,
        )
        write_progress(self._output_dir, figures)


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


def _ended(state: TrainerState) -> bool:
    callbacks: Any = state.stateful_callbacks
    return state.global_step >= state.max_steps or callbacks["TrainerControl"]["args"]["should_training_stop"]


def _dataset(rows: list[Row]) -> Dataset:
    columns = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    return Dataset.from_dict({**columns, "length": [len(row.input_ids) for row in rows]})
