"""Starts, cancels and settles jobs: at most one training at a time under a base path, whatever service began it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import callproof
from callproof.console import say
from callproof.errors import UserError, cause_of

from .jobs import Ending, Job, Jobs, JobState
from .slot import Held, Holder, Slot

GRACE_S = 10.0
"""Between TERM and KILL of a training that is cancelled."""
KEY_VARIABLE = "CALLPROOF_SERVICE_KEY"

_TICK_S = 0.25
_TRAIN = __name__.rsplit(".", 2)[0]
_ROOT = Path(callproof.__file__).parents[1]


class Busy(Exception):
    """A training is running, and no place in the queue is free."""


class Runner:
    """The jobs of a base path in motion.

    Args:
        queue: how many jobs may wait for the one that trains.
        tracker: that trainings report to, as `train.report_to` names it; no request chooses it.
    """

    def __init__(self, jobs: Jobs, queue: int, tracker: str = "none") -> None:
        self.jobs, self._queue, self._tracker = jobs, queue, tracker
        self._slot = Slot(jobs.folder / "slot")
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._over: set[str] = set()

    def watch(self) -> None:
        """Settle jobs that end and start those that wait, until `stop`."""
        while not self._stop.wait(_TICK_S):
            self.look()

    def look(self) -> None:
        """Settle what has ended, and start the oldest job that waits, where the slot is free."""
        try:
            with self._lock:
                if self._open() and (held := self._slot.take()):
                    self._advance(held)
        except (OSError, UserError) as error:
            say(f"{self.jobs.folder}: {error}")

    def stop(self) -> None:
        """End `watch`; a training that is running goes on."""
        self._stop.set()

    def state(self, job: Job) -> tuple[JobState, str]:
        """The state of a job now, and a line about it; a training that has died trains until it is settled."""
        record = (self.jobs.get(job.id) or job).record
        if record.end is not None:
            return record.end.state, record.end.message
        return ("training", "Training...") if record.started else ("queued", "Waiting for the training before it")

    def training(self) -> Job | None:
        """The job that trains now."""
        holder = self._slot.holder()
        return self.jobs.get(holder.job) if holder and holder.job else None

    def check_room(self) -> None:
        """Raise Busy where a further job would be refused."""
        if self._slot.holder() is not None and self._waiting() >= self._queue:
            raise Busy

    def submit(self, enter: Callable[[], Job]) -> Job:
        """Take a job in and start it, or let it wait.

        Args:
            enter: makes it a job that waits, once there is room for it.

        Raises:
            Busy: there is none.
        """
        with self._lock:
            held = self._slot.take()
            if held is None and self._waiting() >= self._queue:
                raise Busy
            try:
                job = enter()
            except BaseException:
                if held:
                    held.close()
                raise
            if held:
                self._advance(held)
            return job

    def resume(self, job: Job) -> Job:
        """Let a job that failed or was cancelled go on from its newest checkpoint; raises Busy."""
        self._over.discard(job.id)
        return self.submit(lambda: job.changed(started=False, cancelled=False, end=None))

    def cancel(self, job: Job) -> None:
        """End a job that waits or trains, with every process of it."""
        with self._lock:
            job = self.jobs.get(job.id) or job
            end = None if job.record.started else Ending(state="cancelled", message="Cancelled before it began")
            job = job.changed(cancelled=True, end=job.record.end or end)
        begun, signalled = time.monotonic(), None
        while (now := self.jobs.get(job.id)) and now.record.end is None and time.monotonic() - begun < 2 * GRACE_S:
            holder = self._slot.holder()
            number = signal.SIGTERM if time.monotonic() - begun < GRACE_S else signal.SIGKILL
            if holder and holder.job == job.id and holder.group and signalled != number:
                signalled = number
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(holder.group, number)
            elif holder is None:
                self.look()
            time.sleep(0.05)

    def _waiting(self) -> int:
        return sum(map(_waits, self._open()))

    def _open(self) -> list[Job]:
        """The jobs that are not over, the oldest first; of those that are, the file is not read again."""
        jobs = [job for name in self.jobs.ids() if name not in self._over and (job := self.jobs.get(name))]
        self._over.update(job.id for job in jobs if job.record.end)
        return [job for job in jobs if not job.record.end]

    def _advance(self, held: Held) -> None:
        """Settle what has ended and start the oldest job that waits; the slot is given to it, or freed."""
        try:
            oldest_first = self._open()
            for job in oldest_first:
                if job.record.started:
                    self._settle(job)
            for job in oldest_first:
                if _waits(job) and self._start(job, held):
                    break
        finally:
            held.close()

    def _settle(self, job: Job) -> None:
        child = self._children.pop(job.id, None)
        ending = job.ending(child.wait() if child else None)
        if ending.state == "completed":
            try:
                self.jobs.publish(job)
            except UserError as error:
                ending = Ending(state="error", message=str(error))
        job.changed(end=ending)

    def _start(self, job: Job, held: Held) -> bool:
        """Start a job in a process group of its own, which holds the slot from then on; returns whether it began."""
        job = self.jobs.get(job.id) or job
        if not _waits(job):  # it was cancelled meanwhile
            return False
        held.name(Holder(job.id))
        job = job.changed(started=True)
        setting = f"train.report_to={self._tracker}"
        command = [sys.executable, "-P", "-m", _TRAIN, "run", "--config", str(job.config), "--resume", setting]
        try:
            with job.log.open("ab") as log:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=job.folder,
                    env=_environment(),
                    process_group=0,
                    pass_fds=(held.number,),
                )
        except OSError as error:
            job.changed(end=Ending(state="error", message=f"the training could not be started ({cause_of(error)})"))
            return False
        self._children[job.id] = child
        held.name(Holder(job.id, child.pid))
        return True


def _waits(job: Job) -> bool:
    return not (job.record.started or job.record.end)


def _environment() -> dict[str, str]:
    """That of the service, without its key and without settings that would override the job's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_") and name != KEY_VARIABLE}
    paths = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
