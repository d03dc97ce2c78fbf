"""Finds out what a server can, by a few requests that are no turns of any run and carry a name of their own.

A turn that expects a call is asked on both channels. Raw text is had if the call stands in the text; it is not if the
call comes parsed although `tool_choice` is none, or if that keeps the tools from the prompt or the model from calling.
A short request without tools shows the rest. Nothing that is missing is an error here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal, TypeVar

from callproof.calls import (
    Completion,
    NoCompletion,
    StreamedCompletion,
    ToolCall,
    load_json,
    may_succeed_later,
    parse_answer,
)
from callproof.calls.formats import FORMATS
from callproof.errors import UserError
from callproof.scoring import Channel
from callproof.turns import CallFormat, Turn, catalog_of, digest

from .abilities import UNPARSED, Abilities, Lack
from .chat_request import request
from .endpoint import Endpoint, NoAnswer
from .optional_keys import OPTIONAL
from .raw_text import RawText, raw_text_of
from .server_prompt import prompt_tokens, served_prompt, shows_catalog

PROBE_HEADERS = {"User-Agent": "callproof-probe"}
TRIES = 3
"""Turns that are asked until one shows where calls go; a model may well not call at all."""
_PATH = "/v1/chat/completions"
_EXCERPT = 160

_Value = TypeVar("_Value")
Kind = Literal["text", "parsed", "no call", "refused", "failed", "silent"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one request showed: where its calls were, the prompt's length, and what a refusal said."""

    kind: Kind
    prompt_tokens: int | None = None
    said: str = ""


@dataclass(slots=True)
class _Bare:
    """What the short request without tools showed."""

    prompt_tokens: int | None = None
    streams: bool | None = None
    usage: bool | None = None
    logprobs: bool | None = None
    said: str = ""


@dataclass
class _Evidence:
    """What the questions of both channels showed, in order."""

    raw: list[_Seen] = field(default_factory=list)
    served: list[_Seen] = field(default_factory=list)
    tools_left_out: bool = False

    def has(self, channel: Channel, kind: Kind) -> bool:
        return any(seen.kind == kind for seen in getattr(self, channel))

    def first_length(self, channel: Channel) -> int | None:
        """The prompt tokens of the first turn, where the server counts them."""
        return next((seen.prompt_tokens for seen in getattr(self, channel)), None)

    def refusal(self, channel: Channel, short: _Bare) -> str | None:
        """What the server says where it refuses every request of a channel; otherwise None.

        A server that fails (HTTP 500) refuses what a short request without tools shows to be at fault.
        """
        seen: list[_Seen] = getattr(self, channel)
        kinds = ("refused", "failed") if short.streams is not None else ("refused",)
        return seen[-1].said if seen and all(one.kind in kinds for one in seen) else None


async def probe_prompt(endpoint: Endpoint, turn: Turn, model: str) -> Abilities:
    """What a server tells of itself and of the prompt of one turn; no model answers, so all else stays unknown.

    Raises:
        UserError: nothing answers, or the key is refused.
    """
    return (await _told(endpoint, turn, model)).abilities


@dataclass(frozen=True, slots=True)
class _Told:
    """What a server tells without an answer of a model; token ids of a prompt with and without tools, if it does."""

    abilities: Abilities
    prompt: list[int]
    bare: list[int]


async def _told(endpoint: Endpoint, turn: Turn, model: str) -> _Told:
    cards = await endpoint.models()
    template = (await endpoint.probe("/tokenizer_info")).get("chat_template")
    reasons: dict[Lack, str] = {}
    try:
        prompt = list((await served_prompt(endpoint, turn, model)).tokens)
    except NoAnswer as error:
        prompt, reasons["tokenize"] = [], str(error)
    bare = await prompt_tokens(endpoint, turn, model, with_tools=False) if prompt else []
    abilities = Abilities(
        url=endpoint.root,
        version=await endpoint.version(),
        template_hash=digest(template) if template else None,
        prompt_hash=digest(prompt) if prompt else None,
        catalog_in_prompt=await shows_catalog(endpoint, turn, model, prompt, bare),
        models=bool(cards),
        owners=tuple(sorted({str(card["owned_by"]) for card in cards if card.get("owned_by")})),
        tokenize=bool(prompt),
        reasons=reasons,
    )
    return _Told(abilities, prompt, bare)


async def probe(
    endpoint: Endpoint,
    turns: Mapping[str, Sequence[Turn]],
    format: CallFormat,
    *,
    max_tokens: int,
    temperature: float,
) -> Abilities:
    """What a server can.

    Args:
        turns: by model; at most TRIES are asked, of one model after another.
        format: in which the models write calls.
        max_tokens, temperature: of the answers to turns, as the run has them.

    Raises:
        UserError: nothing answers, the key is refused, or raw text in a format that vLLM takes calls out of cannot be
            had.
    """
    sampling = {"max_tokens": max_tokens, "temperature": temperature}
    return await _Probe(endpoint, _questions(turns), format, sampling).abilities()


def _questions(turns: Mapping[str, Sequence[Turn]]) -> list[tuple[Turn, str]]:
    """What is asked of which model: turns that expect a call first, then others with tools; at least one."""
    ranked = {model: sorted(own, key=_rank)[:TRIES] for model, own in turns.items()}
    rounds = zip_longest(*([(turn, model) for turn in own] for model, own in ranked.items()))
    questions = [question for together in rounds for question in together if question is not None]
    return sorted(questions, key=lambda question: _rank(question[0]))[:TRIES]


def _rank(turn: Turn) -> tuple[bool, bool]:
    return not turn.tools, not turn.expects_call


class _Probe:
    """One probe; after a request that times out or finds nobody, no further one is sent."""

    def __init__(
        self,
        endpoint: Endpoint,
        questions: Sequence[tuple[Turn, str]],
        format: CallFormat,
        sampling: dict[str, Any],
    ) -> None:
        self._endpoint, self._format, self._sampling = endpoint, format, sampling
        self._questions = questions
        self._gone = self._takes_choice = False

    async def abilities(self) -> Abilities:
        (turn, model), endpoint = self._questions[0], self._endpoint
        told = await _told(endpoint, turn, model)
        raw_text, lost = await self._raw_text(told.prompt[:1] or [0], model)
        evidence = await self._evidence()
        short = await self._short(turn, model)
        evidence.tools_left_out = _left_out(evidence, len(told.prompt), len(told.bare) or short.prompt_tokens)
        self._ask_without_choice(evidence)
        reasons: dict[Lack, str] = {**told.abilities.reasons, **dict(self._reasons(evidence, short)), **lost}
        answered = any(seen.kind in ("text", "parsed", "no call") for seen in (*evidence.raw, *evidence.served))
        refused = all(evidence.refusal(channel, short) is not None for channel in ("raw", "served"))
        shown = {
            "tools": True if answered else False if refused else None,
            "raw": False if "raw" in reasons else evidence.has("raw", "text") or None,
            "served": False if "served" in reasons else evidence.has("served", "parsed") or None,
            "raw_text": raw_text,
            "seed": ("seed" not in endpoint.left_out) if answered else None,
            "logprobs": short.logprobs,
            "streams": short.streams,
            "stream_usage": short.usage,
            "reasons": reasons,
            "left_out": endpoint.left_out,
        }
        return told.abilities.model_copy(update=shown)

    async def _raw_text(self, tokens: list[int], model: str) -> tuple[RawText, dict[Channel, str]]:
        """What raw text is made from; with a reason where there is none to make it from."""
        try:
            return await raw_text_of(self._endpoint, model, tokens, self._format.name), {}
        except UserError as error:
            return "content", {"raw": str(error.args[1])}

    async def _evidence(self) -> _Evidence:
        evidence = _Evidence()
        for turn, model in self._questions:
            evidence.raw.append(await self._see(turn, model, "raw"))
            evidence.served.append(await self._see(turn, model, "served"))
            if not turn.tools or evidence.raw[-1].kind in ("text", "parsed"):
                break
        return evidence

    def _ask_without_choice(self, evidence: _Evidence) -> None:
        """Where only `tool_choice: none` keeps calls out of the text, ask without it; the evidence tells what came."""
        hindered = evidence.tools_left_out or not (evidence.has("raw", "text") or evidence.has("raw", "parsed"))
        hindered &= not (evidence.tools_left_out and evidence.first_length("raw") == evidence.first_length("served"))
        if hindered and evidence.has("served", "text"):
            self._endpoint.leave_out("tool_choice")
            evidence.raw, evidence.tools_left_out = evidence.served, False

    def _reasons(self, evidence: _Evidence, short: _Bare) -> Iterator[tuple[Channel, str]]:
        """Why a channel cannot be had, for each that cannot."""
        raw, served = evidence.refusal("raw", short), evidence.refusal("served", short)
        refuses = "requests with tools are refused" if short.streams is not None else "requests are refused"
        in_text, parsed = evidence.has("raw", "text"), evidence.has("served", "parsed")
        raw_reasons = {
            "with tool_choice none no answer calls": not in_text and parsed,
            "calls come parsed although tool_choice is none": not in_text and evidence.has("raw", "parsed"),
            "with tool_choice none the prompt does not hold the tools": evidence.tools_left_out,
            f"{refuses}: {raw}": raw is not None,
        }
        served_reasons = {
            UNPARSED: not parsed and evidence.has("served", "text"),
            f"{refuses}: {served}": served is not None,
        }
        for reason in filter(raw_reasons.get, raw_reasons):
            yield "raw", reason
        for reason in filter(served_reasons.get, served_reasons):
            yield "served", reason

    async def _see(self, turn: Turn, model: str, channel: Channel) -> _Seen:
        """Ask one turn, without the keys that the server refuses."""
        payload = request(turn, model, **self._sampling, channel=channel, format=self._format)
        seen = await self._seen(payload, turn, channel)
        if seen.kind == "refused" and await self._finds_refused_keys(payload):
            seen = await self._seen(payload, turn, channel)
        return seen

    async def _seen(self, payload: dict[str, Any], turn: Turn, channel: Channel) -> _Seen:
        status, body = await self._post(payload)
        if status is None:
            return _Seen("silent")
        if status != 200 or _is_error(body):
            kind = "failed" if status == 200 or may_succeed_later(status) else "refused"
            return _Seen(kind, said=self._endpoint.safe(_said(status, body)))
        try:
            completion = await self._endpoint.as_written(Completion.of_body(body), self._endpoint.known(payload))
        except (NoCompletion, NoAnswer):
            return _Seen("silent")
        return _Seen(self._kind(completion, turn, channel), _prompt_tokens(completion.usage))

    def _kind(self, completion: Completion, turn: Turn, channel: Channel) -> Kind:
        """Where the calls of an answer are; any parser may leave a malformed one in a served text."""
        name = self._format.name if self._format.name in FORMATS else "hermes"
        thought = turn.prefilled_thinking and not completion.thinking
        parsed = parse_answer(completion.text, completion.finish_reason, name, catalog_of(turn).parameters, thought)
        in_text = any(isinstance(call, ToolCall) for call in parsed.calls) if channel == "served" else parsed.attempts
        if channel == "raw" and in_text:
            return "text"
        return "parsed" if completion.tool_calls else "text" if in_text else "no call"

    async def _finds_refused_keys(self, payload: dict[str, Any]) -> bool:
        """Whether a refusal that names no key goes away without optional ones; those are left out from then on."""
        optional = [key for key in self._endpoint.known(payload) if key in OPTIONAL]
        short = {**payload, "max_tokens": 1}
        plain = {key: value for key, value in short.items() if key not in optional}
        if not optional or (await self._post(plain))[0] != 200:
            return False
        for key in optional:
            if (await self._post({**plain, key: payload[key]}))[0] in (400, 422):
                self._endpoint.leave_out(key)
        return True

    async def _short(self, turn: Turn, model: str) -> _Bare:
        """Ask for one token, without tools, streamed where that is taken."""
        bare = turn.model_copy(update={"tools": ()})
        sampling = {**self._sampling, "max_tokens": 1}
        streamed = {**request(bare, model, **sampling, stream=True, format=self._format), "logprobs": True}
        shown = _Bare()
        for absent in ((), ("logprobs",), ("stream_options",), ("logprobs", "stream_options")):
            payload = {key: value for key, value in streamed.items() if key not in absent}
            status, body = await self._post(payload)
            if status == 200:
                if "stream_options" in absent:
                    self._endpoint.leave_out("stream_options")
                return _of_stream(body)
            shown.said = "" if status is None else _said(status, body)
        return await self._unstreamed(request(bare, model, **sampling, format=self._format), shown)

    async def _unstreamed(self, payload: dict[str, Any], shown: _Bare) -> _Bare:
        status, body = await self._post(payload)
        if status == 200:
            shown.streams = False
            usage = _attempt(lambda: Completion.of_body(body).usage)
            shown.prompt_tokens = _prompt_tokens(usage)
        return shown

    async def _post(self, payload: dict[str, Any]) -> tuple[int | None, bytes]:
        """Status and body; no status where nothing answers. Keys that the server names are left out at once."""
        endpoint = self._endpoint
        while not self._gone:
            known = endpoint.known(payload)
            try:
                status, body = await endpoint.ask(_PATH, known, endpoint.timeout_s, PROBE_HEADERS)
            except UserError:
                self._gone = True
                break
            self._takes_choice |= status == 200 and "tool_choice" in known
            taken = {"tool_choice"} if self._takes_choice else set[str]()  # what is refused is another value of it
            perhaps = {key: value for key, value in known.items() if key not in taken}
            if "logprobs" in payload or not endpoint.learns(perhaps, status, body.decode("utf-8", "replace")):
                return status, body
        return None, b""


def _left_out(evidence: _Evidence, with_tools: int, without: int | None) -> bool:
    """Whether the prompts' lengths tell that `tool_choice: none` keeps the tools from the prompt."""
    length, full = evidence.first_length("raw"), with_tools or evidence.first_length("served")
    return None not in (length, without, full) and length == without != full


def _of_stream(body: bytes) -> _Bare:
    """What a streamed answer showed; one that comes whole where a stream was asked for is no stream."""
    streamed, logprobs = StreamedCompletion(), False
    for line in body.splitlines():
        data = line[5:].strip() if line.startswith(b"data:") else b""
        if data and _attempt(lambda data=data: streamed.add(data)) and b'"logprobs"' in data:
            logprobs = logprobs or _tells_logprobs(data)
    completion = _attempt(streamed.completion)
    if completion is None:
        return _Bare(streams=False)
    usage = completion.usage
    return _Bare(_prompt_tokens(usage), streams=True, usage=usage is not None, logprobs=logprobs)


def _tells_logprobs(data: bytes) -> bool:
    return any((choice.get("logprobs") or {}).get("content") for choice in json.loads(data).get("choices") or ())


def _attempt(read: Callable[[], _Value]) -> _Value | None:
    try:
        return read()
    except NoCompletion:
        return None


def _prompt_tokens(usage: dict[str, Any] | None) -> int | None:
    count = (usage or {}).get("prompt_tokens")
    return count if type(count) is int else None


def _is_error(body: bytes) -> bool:
    value = _attempt(lambda: load_json(body))
    return isinstance(value, dict) and bool(value.get("error"))


def _said(status: int, body: bytes) -> str:
    """What a refusal says, in a few words."""
    value = _attempt(lambda: load_json(body))
    error = value.get("error", value) if isinstance(value, dict) else None
    message = error.get("message", error.get("detail")) if isinstance(error, dict) else error
    text = message if isinstance(message, str) else body.decode("utf-8", "replace")
    return f"HTTP {status}: {' '.join(text.split())[:_EXCERPT]}".rstrip(": ")
