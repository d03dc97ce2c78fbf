"""Jobs as folders: what was asked, how it goes, how it ended. A service that starts again finds everything here.

BASE/.jobs/slot                        the lock, see `train.service.slot`
BASE/.jobs/<id>/job.json               `JobRecord`
BASE/.jobs/<id>/config.yaml            for `callproof train --config`
BASE/.jobs/<id>/data.jsonl             the upload
BASE/.jobs/<id>/log.txt                what the training says
BASE/.jobs/<id>/run/                   its output folder: progress.json, checkpoints, adapter, manifest.json
BASE/<name>/                           the adapter of the last completed job of that name
"""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from callproof.console import visible
from callproof.errors import UserError
from callproof.records import Record, read_object, replacing_folder, write_json

JobState = Literal["queued", "training", "completed", "error", "cancelled"]

MARK = "callproof_job.json"
"""In a published adapter: the job that it comes from. A folder without it is not ours, and is not replaced."""

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_TAIL = 65536
_STALE_S = 3600.0


class Ending(Record):
    """How a job ended, for good unless it is resumed."""

    state: Literal["completed", "error", "cancelled"]
    message: str


class JobRecord(Record):
    """`job.json`. `name`: of the adapter; `notes`: what became of settings that are not taken as they are."""

    name: str
    created: str
    upload: str
    notes: tuple[str, ...] = ()
    started: bool = False
    cancelled: bool = False
    end: Ending | None = None


@dataclass(frozen=True)
class Job:
    """A job's folder, and its record as it was when it was read."""

    folder: Path
    record: JobRecord

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def changed(self, **values: object) -> "Job":
        """Write the record with other values; the job with it."""
        record = self.record.model_copy(update=values)
        write_json(self.folder / "job.json", record.model_dump(mode="json"))
        return Job(self.folder, record)

    def ending(self, code: int | None = None) -> Ending:
        """What became of a training that is over; `code`: of its process, where this service was its parent."""
        if self._finished:
            return Ending(state="completed", message="Training completed")
        if self.record.cancelled:
            return Ending(state="cancelled", message="Training cancelled")
        said = self.last_line() or "it said nothing"
        if not said.startswith("error: "):
            how = f"was killed by signal {-code}" if code and code < 0 else "ended before it was done"
            said = f"the training {how}; its last line: {said}"
        return Ending(state="error", message=f"{said}; go on: POST /jobs/{self.id}/resume")

    @property
    def _finished(self) -> bool:
        """Whether adapter and manifest are written, as `train.loop.checkpoints` records it."""
        with suppress(UserError):
            return read_object(self.run / "checkpoints" / "run.json", "").get("finished") is True
        return False

    def last_line(self) -> str:
        """The last line of the log that is not blank, without control characters."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
        return visible(lines[-1])[:500] if lines else ""


class Jobs:
    """All jobs under a base path; the folder is made where it is missing."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / ".jobs"
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, job_id: str) -> Job | None:
        folder = self.folder / job_id
        if not _ID.fullmatch(job_id):
            return None
        try:
            return Job(folder, JobRecord.model_validate_json((folder / "job.json").read_bytes()))
        except (OSError, ValidationError):
            return None

    def newest_first(self) -> Iterator[Job]:
        return filter(None, map(self.get, reversed(self.ids())))

    def ids(self) -> list[str]:
        """The ids of all jobs, the oldest first."""
        return sorted(path.name for path in self.folder.iterdir() if _ID.fullmatch(path.name))

    def stage(self) -> Path:
        """A new folder for what a request brings; `enter` makes it a job."""
        folder = self.folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        folder.mkdir()
        return folder

    def enter(self, folder: Path, record: JobRecord) -> Job:
        """Make a staged folder a job, in one step."""
        return Job(folder, record).changed()

    def remove_stale(self) -> None:
        """Remove what uploads of a killed service have left: folders without `job.json`."""
        for folder in self.folder.iterdir():
            with suppress(OSError):
                old = time.time() - folder.stat().st_mtime > _STALE_S
                if old and _ID.fullmatch(folder.name) and not (folder / "job.json").exists():
                    shutil.rmtree(folder)

    def place(self, name: str) -> Path:
        """Where the adapter of that name is published."""
        return self.base / name

    def publish(self, job: Job) -> None:
        """Copy the adapter of a completed job to its name, in one step; an adapter that was there is replaced.

        Raises:
            UserError: what is there is not ours, or the disk is full.
        """
        place = self.place(job.record.name)
        if problem := occupied(place):
            raise UserError(job.record.name, problem, "move it away, then resume the job")
        with replacing_folder(place) as folder:
            shutil.copytree(job.run / "adapter", folder, dirs_exist_ok=True)
            write_json(folder / MARK, {"job": job.id})


def occupied(place: Path) -> str | None:
    """Why nothing may be published there; None where it may."""
    if place.is_symlink() or (place.exists() and not (place / MARK).is_file()):
        return "is the name of something under --base-path that this service has not made"
    return None
