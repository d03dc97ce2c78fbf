"""What every trainer of TRL is given here: sealed checkpoints, an order that resumes, evaluation by answers."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from accelerate.utils import RNGType, synchronize_rng_state
from torch.utils.data import Sampler
from transformers.trainer_callback import TrainerState
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import EvalLoopOutput

from callproof.console import Phases
from callproof.errors import UserError

from ...rows.encode import Row
from ..checkpoints import seal
from ..evaluation import Evaluator
from .callbacks import ReportProgress

ORDER_FILE, STATE_FILE = "row_order.pth", "trainer_state.json"

_Base: Any = object
"""A trainer of TRL stands behind this class wherever it is used."""


class Adapting(_Base):
    """For a trainer of TRL: `evaluator` replaces its evaluation loop.

    `phases`: where evaluations are counted as a phase of their own.
    """

    def __init__(self, evaluator: Evaluator | None, phases: Phases | None = None, **options: Any) -> None:
        self.evaluator, self._phases = evaluator, phases
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
        """The loss of a batch, whose tokens are counted."""
        self.count_tokens(inputs)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def count_tokens(self, inputs: Any) -> None:
        """Count the tokens of a batch, padding left out."""
        self._tokens = self._tokens + (inputs["attention_mask"].sum() if "attention_mask" in inputs else 0)

    def collated(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Token rows as a batch with labels, padded."""
        return self.data_collator([{"input_ids": row.input_ids, "labels": row.labels} for row in rows])

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


def _ended(state: TrainerState) -> bool:
    callbacks: Any = state.stateful_callbacks
    return state.global_step >= state.max_steps or callbacks["TrainerControl"]["args"]["should_training_stop"]
