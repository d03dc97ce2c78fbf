"""Replay: sends the turns of a configuration to one or more endpoints, for each model, and judges the answers.

Sessions run in parallel. The turns of one session go to one endpoint, one after another, each with its repeats and both
channels, so that the server finds the earlier part of the prompt in its prefix cache. When no new session is left to
start, the remaining turns of open sessions are sent in parallel too; that is safe, since their prompts hold the
recorded conversation, not the model's answers. A turn without an answer is an outcome too (`infra_error`); `--resume`
asks it again.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from callproof.console import Steps, say
from callproof.endpoint import Abilities, channel_words, choose_channel, probe, request
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, UserError
from callproof.scoring import Outcome

from ..runs import OutcomeLog, Run, RunInfo, keep_answered, now, text_format, write_turns
from .examples import after_examples
from .fleet import Fleet
from .judging import Asked, Judging, Verdict
from .pace import Pace
from .plan import Key, Plan, Question, key_of
from .server import tells_no_tokens
from .stop import Stop, Stopped
from .umpire import Umpire


def run_all(plans: Sequence[Plan], urls: Sequence[str], resume: bool, go_on: str, umpire: Umpire | None = None) -> int:
    """Make all runs. Returns 0; or, after printing the command to `go_on`, 130 if interrupted and 3 if out of time."""
    try:
        asyncio.run(ask_all(plans, urls, resume, umpire))
    except (KeyboardInterrupt, Stopped) as stop:
        reason = stop.reason if isinstance(stop, Stopped) else "interrupted"
        say(f"{reason}; to go on: {go_on}")
        return EXIT_INTERRUPTED if reason == "interrupted" else EXIT_INVALID
    return 0


async def ask_all(plans: Sequence[Plan], urls: Sequence[str], resume: bool, umpire: Umpire | None = None) -> None:
    """Check the endpoints, then make the runs one after another; nothing is written before the check.

    Args:
        umpire: may end a run early; of one run only.

    Raises:
        UserError: an endpoint is down or does not serve a model, or a run cannot be begun or resumed.
        Stopped: a signal, or the end of a run's time.
    """
    async with Fleet(urls, plans[0].config.eval) as fleet:
        await fleet.require(plans[0].models)
        for plan in plans:
            await ask(plan, fleet, resume, umpire)


async def ask(plan: Plan, fleet: Fleet, resume: bool = False, umpire: Umpire | None = None) -> None:
    """Make one run; raises what `ask_all` raises, and a UserError where no channel can be had."""
    servers = await _look(plan, fleet)
    plan = plan.over(choose_channel(servers, plan.wanted(resume)))
    info = plan.info(servers)
    with plan.run:
        info = umpire.begin(plan.run, info, plan.turns) if umpire else info
        done = _begin(plan, info, resume)
        for line in (plan.sentence, *channel_words(servers, plan.channel)):
            say(line)
        for warning in info.warnings:
            say(f"warning: {warning}")
        await _Asking(plan, fleet, servers, umpire).ask(done)


async def _look(plan: Plan, fleet: Fleet) -> list[Abilities]:
    """What each endpoint can; raises Stopped where the time of the run passes meanwhile."""
    settings = plan.config.eval
    sampling = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
    try:
        async with asyncio.timeout(settings.run_timeout_s):
            turns = dict.fromkeys(plan.models, plan.turns)
            looks = (probe(endpoint, turns, plan.calls, **sampling) for endpoint in fleet.endpoints)
            return [await look for look in looks]
    except TimeoutError:
        raise Stopped("out of time") from None


def check_presence(run: Run, resume: bool) -> None:
    """Raise a UserError if the folder holds a run that is not to be resumed."""
    if run.exists and not resume:
        raise UserError(run.path, "there is a run already", "finish it with --resume, or choose another --run-id")
    if not run.exists and run.outcomes_path.exists():
        raise UserError(run.path, "holds outcomes, but no run.json", "choose another --run-id")


def _begin(plan: Plan, info: RunInfo, resume: bool) -> Iterable[Outcome]:
    """Write run.json and the turns, or check that they match the run to resume; returns the outcomes so far."""
    run = plan.run
    check_presence(run, resume)
    if not run.exists:
        if resume:
            say(f"{run.path}: there is nothing to resume yet; the run begins")
        write_turns(run.turns_path, plan.turns)
        run.write_info(info)
        return ()
    begun = run.info()
    if problems := begun.identity.differences(info.identity):
        raise UserError(run.path, f"was begun with another {problems[0]}", "begin a new run")
    if begun.models != info.models:
        options = " ".join(f"--model {model}" for model in begun.models)
        raise UserError(run.path, "was begun with other models", f"resume it with {options}")
    return keep_answered(run.outcomes_path)


@dataclass(eq=False)
class _Session:
    """The open questions of a session, and the number of the endpoint that they go to."""

    home: int
    questions: deque[Question]


class _Asking:
    """One run while its questions are asked."""

    def __init__(self, plan: Plan, fleet: Fleet, servers: Sequence[Abilities], umpire: Umpire | None) -> None:
        self._plan, self._fleet, self._servers, self._umpire = plan, fleet, servers, umpire
        self._format = text_format(plan.format)
        self._warnings: list[str] = []
        self._left: deque[deque[Question]] = deque()
        self._begun: set[_Session] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, done: Iterable[Outcome]) -> None:
        """Ask every question that has no outcome in `done`, and mark the run as finished if none is left.

        Raises:
            Stopped: before the end.
            UserError: an outcome cannot be written.
        """
        plan, answered, pace = self._plan, set[Key](), Pace()
        for outcome in done:
            answered.add(key_of(outcome))
            pace.recall(outcome.outcome)
        with (
            Steps(plan.config.name, plan.size, pace.tell, done=pace.landed) as steps,
            OutcomeLog(plan.run.outcomes_path) as log,
            Stop(plan.config.eval.run_timeout_s, self._drop) as stop,
        ):

            def land(verdicts: list[Verdict]) -> None:
                log.append(b"".join(verdict.line for verdict in verdicts))
                for verdict in verdicts:
                    pace.land(verdict.label)
                steps.advance(len(verdicts))

            async with Judging(self._format, land) as judging:
                whole = await self._ask_stages(answered, stop, judging)
        if stop.reason:
            raise Stopped(stop.reason)
        info = plan.run.info()
        refused = chain.from_iterable(endpoint.warnings for endpoint in self._fleet.endpoints)
        warnings = tuple(dict.fromkeys((*info.warnings, *self._warnings, *refused)))
        finished = now() if whole else info.finished
        plan.run.write_info(info.model_copy(update={"finished": finished, "warnings": warnings}))

    async def _ask_stages(self, answered: set[Key], stop: Stop, judging: Judging) -> bool:
        """Ask all that is not `answered`, until the umpire is sure; returns whether nothing is left."""
        stages = self._umpire.stages if self._umpire else [None]
        for number, stage in enumerate(stages, start=1):
            self._left = self._plan.sessions(answered, stage)
            await self._ask_left(stop, judging)
            if stop.reason:
                return False
            if self._umpire and number < len(stages) and self._umpire.sure():
                return False
        return True

    def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _ask_left(self, stop: Stop, judging: Judging) -> None:
        homes, questions = len(self._fleet.endpoints), sum(map(len, self._left))
        workers = min(self._plan.config.eval.concurrency * homes, questions)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(workers):
                    self._tasks.append(group.create_task(self._work(number % homes, stop, judging)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _work(self, home: int, stop: Stop, judging: Judging) -> None:
        while session := self._session(home):
            while session.questions:
                asked = await self._answer(session, session.questions.popleft(), stop)
                await judging.land(asked)
                if stop.reason:
                    return
            self._begun.discard(session)

    def _session(self, home: int) -> _Session | None:
        """The next session to work on: a new one, or the open one of this endpoint with the most questions left."""
        if self._left:
            session = _Session(home, self._left.popleft())
            self._begun.add(session)
            return session
        here = (session for session in self._begun if session.home == home and session.questions)
        return max(here, key=lambda session: len(session.questions), default=None)

    async def _answer(self, session: _Session, question: Question, stop: Stop) -> Asked:
        """The answer to a question; the session goes on where that came from."""
        settings, turn = self._plan.config.eval, question.turn
        payload = request(
            after_examples(turn, self._plan.examples),
            question.model,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=question.repeat,
            channel=question.channel,
            format=self._plan.calls,
        )
        reply, session.home = await self._fleet.chat(payload, session.home, stop.rest)
        server = self._servers[session.home]
        self._warn(tells_no_tokens(server, question.channel, reply.answer, reply.from_tokens))
        return Asked(turn, question.model, question.channel, question.repeat, reply.answer)

    def _warn(self, warning: str | None) -> None:
        if warning and warning not in self._warnings:
            say(f"warning: {warning}")
            self._warnings.append(warning)
