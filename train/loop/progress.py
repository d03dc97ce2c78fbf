"""How far a training is, in `<output_dir>/progress.json`: for whoever watches it from outside, and after a crash."""

from pathlib import Path

from pydantic import Field, ValidationError

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
