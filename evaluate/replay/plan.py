"""What a replay will ask: one run per configuration; in it every turn of every model, channel and repeat."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from callproof.calls.formats import FORMATS
from callproof.config import RunConfig
from callproof.endpoint import TOOL_CHOICE, Abilities, Wanted
from callproof.scoring import Channel, Outcome
from callproof.turns import CallFormat, Turn, asked_sessions, call_format, digest, recorded_answers, turns_sentence

from ..runs import Channels, Run, RunInfo, check_format, identify, now
from .examples import Messages, example_messages
from .server import server_warnings

Key = tuple[str, str, Channel, int]


def key_of(outcome: Outcome) -> Key:
    """The key of the question that an outcome belongs to."""
    return outcome.model, outcome.turn_id, outcome.channel, outcome.repeat


@dataclass(frozen=True, slots=True)
class Question:
    """One request to make: a turn, the model, the channel and the repeat."""

    turn: Turn
    model: str
    channel: Channel
    repeat: int

    @property
    def key(self) -> Key:
        return self.model, self.turn.turn_id, self.channel, self.repeat


@dataclass(frozen=True)
class Plan:
    """One run that is to be made: a configuration, its turns and the models that they are asked of.

    `answers`: how many answers the sessions record; `eval.turns` says which of them make a turn. `examples`: shown
    before each conversation.
    """

    config: RunConfig
    turns: list[Turn]
    models: tuple[str, ...]
    run: Run
    answers: int
    examples: Messages = ()

    @property
    def sentence(self) -> str:
        """How many turns there are, and why there are not as many as recorded answers."""
        shown = f", each after {self.config.eval.examples} example sessions" if self.examples else ""
        return f"{self.config.name}: {turns_sentence(len(self.turns), self.answers, self.config)}{shown}"

    @property
    def sampling(self) -> dict[str, Any]:
        """The request parameters that change answers; repeat n uses the seed plus n."""
        settings = self.config.eval
        return {
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "seed": 0,
            "repeats": settings.repeats,
            **({"examples": digest(self.examples)} if self.examples else {}),
        }

    @property
    def format(self) -> str:
        """The name of the format in which the models write calls."""
        return self.calls.name

    @cached_property
    def calls(self) -> CallFormat:
        """How the models write calls."""
        return call_format(self.config)

    @property
    def channel(self) -> Channels:
        """The chosen one; a plan has none until `over` gives it one."""
        channel = self.config.eval.channel
        if channel == "auto":
            raise ValueError("the channel is chosen once the endpoints are known")
        return channel

    @property
    def channels(self) -> tuple[Channel, ...]:
        return ("raw", "served") if self.channel == "both" else (self.channel,)

    def wanted(self, resume: bool) -> Wanted:
        """The channel to ask over: of the run to resume, or the configuration; served if text cannot be read."""
        channel = self.config.eval.channel
        if channel != "auto":
            return channel
        if resume and self.run.exists:
            return self.run.info().identity.channel
        return "auto" if self.format in FORMATS else "served"

    def over(self, channel: Channels) -> "Plan":
        """The plan with a chosen channel."""
        settings = self.config.eval.model_copy(update={"channel": channel})
        return replace(self, config=self.config.model_copy(update={"eval": settings}))

    @property
    def size(self) -> int:
        """The number of questions."""
        return len(self.turns) * len(self.models) * len(self.channels) * self.config.eval.repeats

    def sessions(self, answered: set[Key], only: Iterable[str] | None = None) -> deque[deque[Question]]:
        """The questions without an answer: one queue per model and session, ordered by model.

        Args:
            only: ids of sessions, in their order; default: all, in that of the turns.
        """
        sessions: dict[str, list[Turn]] = {}
        for turn in self.turns:
            sessions.setdefault(turn.session_id, []).append(turn)
        chosen = list(sessions if only is None else only)
        queues = (
            deque(question for question in self._ask(sessions[name], model) if question.key not in answered)
            for model in self.models
            for name in chosen
        )
        return deque(filter(None, queues))

    def _ask(self, turns: Iterable[Turn], model: str) -> Iterator[Question]:
        for turn in turns:
            for repeat in range(self.config.eval.repeats):
                yield from (Question(turn, model, channel, repeat) for channel in self.channels)

    def info(self, servers: Sequence[Abilities]) -> RunInfo:
        """The content of run.json at the start of the run."""
        raw_text = "tokens" if {server.raw_text for server in servers} == {"tokens"} else "content"
        shows = [server.catalog_in_prompt for server in servers]
        return RunInfo(
            run_id=self.run.path.name,
            name=self.config.name,
            models=self.models,
            identity=identify(self.turns, self.sampling, self.channel, self.format, raw_text),
            turns=len(self.turns),
            sessions=len({turn.session_id for turn in self.turns}),
            config=self.config.model_dump(mode="json"),
            endpoints=tuple(server.url for server in servers),
            server_version=_common(server.version for server in servers),
            template_hash=_common(server.template_hash for server in servers),
            prompt_hash=_common(server.prompt_hash for server in servers),
            catalog_in_prompt=None if None in shows else all(shows),
            tool_choice=self._tool_choice(servers),
            servers=tuple(servers),
            strict_level=_strict_level(self.turns),
            parser=self.format if "served" in self.channels else None,
            warnings=(*server_warnings(servers), *self._warnings()),
            started=now(),
        )

    def _tool_choice(self, servers: Sequence[Abilities]) -> dict[Channel, str]:
        """What was sent, where every server takes it."""
        sent = not any("tool_choice" in server.left_out for server in servers)
        return {channel: TOOL_CHOICE[channel] for channel in self.channels} if sent else {}

    def _warnings(self) -> Iterator[str]:
        settings = self.config.eval
        if self.calls.warning:
            yield self.calls.warning
        if settings.repeats > 1 and settings.temperature == 0:
            yield "repeats at temperature 0 measure the noise of the server, not of the model; set eval.temperature"


def _common(values: Iterable[str | None]) -> str | None:
    """The value that the servers agree on, or all their values joined; None if none gives one."""
    return ", ".join(sorted(set(filter(None, values)))) or None


def _strict_level(turns: Iterable[Turn]) -> Literal["none", "some", "all"]:
    """How many of the tools demand, by `strict: true`, that the server constrains the arguments to their schema."""
    demands = {tool.get("function", {}).get("strict") is True for turn in turns for tool in turn.tools or ()}
    return "some" if len(demands) == 2 else "all" if True in demands else "none"


def plan(config: RunConfig, run: Run, models: Sequence[str], overrides: dict[str, Any]) -> Plan:
    """Read and check everything that a run needs except the endpoint.

    Args:
        overrides: fields of `EvalConfig` that the command line sets.

    Raises:
        UserError: a file is missing or malformed, a gold call that its catalog rejects, or a format that cannot be
            derived or that the raw channel cannot read.
    """
    config = config.model_copy(update={"eval": config.eval.model_copy(update=overrides)})
    if config.eval.channel in ("raw", "both"):
        check_format(call_format(config).name, "serve.tool_call_parser")
    sessions = list(asked_sessions(config, limit=config.eval.max_sessions))
    turns = [turn for asked in sessions for turn in asked.turns]
    answers = sum(recorded_answers(asked.session) for asked in sessions)
    return Plan(config, turns, tuple(models), run, answers, example_messages(config))
