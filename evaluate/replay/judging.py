"""Judging beside asking: answers go to other processes in batches, and what comes back is written before it counts.

The event loop asks on meanwhile, and an answer that no schema can judge in time holds up no other session (see
callproof.console.workers).
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Self

from callproof.console.workers import Allowance, Worker, processes
from callproof.errors import UserError, cause_of
from callproof.scoring import Answer, Channel, judge, relieved
from callproof.turns import Turn, catalog_of

from ..runs import outcome_line

BUDGET_S = 10.0
"""Seconds of processor time for one answer."""
_BATCH = 64
_Waiting = tuple["Asked", "asyncio.Future[None]"]


class Asked(NamedTuple):
    """An answer with what it is judged by; the conversation is left out of the turn."""

    turn: Turn
    model: str
    channel: Channel
    repeat: int
    answer: Answer


class Verdict(NamedTuple):
    """A judged answer: its line of outcomes.jsonl, and its label."""

    line: bytes
    label: str


class _Judge(NamedTuple):
    """Judges a batch of answers in a format."""

    format: str

    def __call__(self, batch: list[Asked], allowance: Allowance) -> list[Verdict]:
        return [self._verdict(asked, allowance.begin(number)) for number, asked in enumerate(batch)]

    def _verdict(self, asked: Asked, overruns: int) -> Verdict:
        answer, catalog = relieved(asked.answer, catalog_of(asked.turn), overruns)
        where = asked.channel, asked.repeat
        outcome = judge(asked.turn, answer, asked.model, catalog, *where, format=self.format)
        return Verdict(outcome_line(outcome), outcome.outcome)


class Judging:
    """An asynchronous context manager around the requests of a run; its end waits for answers that are in work.

    Args:
        format: a name of `callproof.calls.formats.FORMATS`, in which raw answers are read.
        land: takes the verdicts of a batch, and writes them.
    """

    def __init__(self, format: str, land: Callable[[list[Verdict]], None]) -> None:
        self._judge, self._land = _Judge(format), land
        self._waiting: list[_Waiting] = []
        self._woken = asyncio.Event()
        self._workers: list[Worker[list[Asked], list[Verdict]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False
        self._refusal: UserError | None = None

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(max(1, processes() - 1))]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ending = True
        self._woken.set()
        if kind is not None:
            self._waiting.clear()
            for worker in self._workers:
                worker.close()
        await asyncio.gather(*self._tasks)

    async def land(self, asked: Asked) -> None:
        """Judge an answer; returns when its outcome is written. Raises what writing raises."""
        if self._refusal:
            raise self._refusal
        landed = asyncio.get_running_loop().create_future()
        bare = asked._replace(turn=asked.turn.model_copy(update={"messages": ()}))
        self._waiting.append((bare, landed))
        self._woken.set()
        await landed

    async def _serve(self) -> None:
        """Give batches to one process, until the end."""
        try:
            worker = await asyncio.to_thread(Worker[list[Asked], list[Verdict]], self._judge, BUDGET_S)
        except OSError as error:  # no room for another process
            self._stop_taking(error)
            return
        self._workers.append(worker)
        try:
            while self._waiting or not self._ending:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                if batch:
                    await self._exchange(worker, batch)
                else:
                    self._woken.clear()
                    await self._woken.wait()
        finally:
            worker.close()

    async def _exchange(self, worker: Worker[list[Asked], list[Verdict]], batch: list[_Waiting]) -> None:
        try:
            self._land(await asyncio.to_thread(worker.ask, [asked for asked, _ in batch]))
        except Exception as error:
            _fail(batch, error)
            return
        for _, landed in batch:
            if not landed.done():
                landed.set_result(None)

    def _stop_taking(self, error: OSError) -> None:
        self._refusal = UserError("a process that judges", f"cannot be started ({cause_of(error)})", "free some memory")
        _fail(self._waiting, self._refusal)
        self._waiting = []


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, landed in batch:
        if not landed.done():
            landed.set_exception(error)
