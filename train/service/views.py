"""The service as its routes see it: what it is asked for, what it shows of its jobs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from callproof.config import config_text
from callproof.records import Record, replacing

from ..loop.progress import Progress, read_progress
from .jobs import Job, JobRecord, Jobs, JobState
from .request.data_check import Faults, check_upload
from .request.order import read_order
from .runner import Runner


class Status(Record):
    """How the newest training goes. `model_path` is there when it is completed, and only then."""

    status: Literal["idle", "training", "completed", "error"]
    message: str
    current_step: int = 0
    total_steps: int = 0
    current_epoch: int = 0
    total_epochs: int = 0
    model_path: str | None = None


class JobView(Record):
    """A job. `notes`: what became of settings that are not taken as they are."""

    job_id: str
    status: JobState
    message: str
    name: str
    created: str
    progress: Progress
    notes: tuple[str, ...]
    model_path: str | None = None


class Refusal(Record):
    """Why a request is refused: everything that is wrong with it."""

    detail: list[str]


@dataclass
class Service:
    """What the routes work on.

    Attributes:
        max_upload: bytes of one file.
        key: of the service; None where none is needed.
        names: the host names that it answers to; None: any.
    """

    jobs: Jobs
    runner: Runner
    max_upload: int
    key: str | None
    names: tuple[str, ...] | None

    def view(self, job: Job) -> JobView:
        state, message = self.runner.state(job)
        return JobView(
            job_id=job.id,
            status=state,
            message=message,
            name=job.record.name,
            created=job.record.created,
            progress=read_progress(job.run),
            notes=job.record.notes,
            model_path=str(self.jobs.place(job.record.name)) if state == "completed" else None,
        )

    def status(self) -> Status:
        """That of the job that trains, or else of the last one that did; a cancelled one leaves the service idle."""
        job = self.runner.training() or next((job for job in self.jobs.newest_first() if job.record.started), None)
        if job is None:
            return Status(status="idle", message="No training yet")
        view = self.view(job)
        state = "idle" if view.status in ("queued", "cancelled") else view.status
        steps = view.progress
        return Status(
            status=state,
            message=view.message,
            current_step=steps.step,
            total_steps=steps.total_steps,
            current_epoch=steps.current_epoch,
            total_epochs=steps.total_epochs,
            model_path=view.model_path,
        )

    def take_in(self, folder: Path, text: bytes, file_name: str) -> Job:
        """Check what a request brought into its folder, and make it a job; raises BadOrder, Busy."""
        upload = folder / "data.jsonl"
        order = read_order(text, self.jobs, folder.name, upload)
        domain = folder / "domain"
        domain.mkdir()
        (domain / "system_prompt.md").touch()
        config = check_upload(order.config, upload, order.flat, Faults(upload, file_name, self.jobs.base))
        with replacing(folder / "config.yaml") as file:
            file.write(config_text(config).encode())
        created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        record = JobRecord(name=config.name, created=created, upload=file_name, notes=order.notes)
        return self.runner.submit(partial(self.jobs.enter, folder, record))
