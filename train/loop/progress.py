"""How far a training is, in `<output_dir>/progress.json`: for whoever watches it from outside, and after a crash."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from callproof.console import duration
from callproof.records import Number, Record, write_json

FILE = "progress.json"


class Progress(Record):
    """Optimiser steps and epochs. `epoch` is the share of the data that was seen, from 0 to `total_epochs`."""

    step: Number = 0
    total_steps: Number = 0
    epoch: float = Field(default=0.0, ge=0)
    total_epochs: Number = 0
    loss: float | None = Field(default=None, description="of the last steps that were logged, in nats a token")

    @property
    def current_epoch(self) -> int:
        """The epoch that is being trained, from 1; 0 before the first step."""
        return min(int(self.epoch) + 1, self.total_epochs) if self.step else 0


def write_progress(output_dir: Path, progress: Progress) -> None:
    """Replace the file in one step: readers see the older figures or these."""
    write_json(output_dir / FILE, progress.model_dump(mode="json"))


def read_progress(output_dir: Path) -> Progress:
    """The figures of a run; those of its beginning where it has written none yet."""
    try:
        return Progress.model_validate_json((output_dir / FILE).read_bytes())
    except (OSError, ValidationError):
        return Progress()


class Pace:
    """How a training goes, for people: steps of all, tokens a second, time left, loss.

    Args:
        done: steps of an earlier attempt.
        tokens: how many tokens this attempt has trained on so far, padding left out.
        clock: seconds, from any start.
    """

    def __init__(self, done: int, tokens: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._before, self._tokens, self._clock = done, tokens, clock
        self._begun = clock()
        self.loss: float | None = None

    def tell(self, done: int, total: int | None) -> str:
        """`12 of 110 steps, 812 tokens/s, 3 min 20 s left, loss 0.412`; what is not known yet is left out."""
        parts, seconds = [f"{done} of {total} steps"], self._clock() - self._begun
        steps = done - self._before
        if steps > 0 and seconds > 0:
            left = seconds / steps * ((total or done) - done)
            parts += [f"{self._tokens() / seconds:,.0f} tokens/s", f"{duration(left)} left"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3f}")
        return ", ".join(parts)
