"""What is logged and told while a training runs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from typing_extensions import override

from callproof.console import Steps

from ..progress import Pace, Progress, write_progress


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
