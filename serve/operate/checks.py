"""The checks of `serve doctor`. Each one sends requests to a running server and returns a verdict and what it saw.

Answers are greedy and compared token by token, so a single wrong row in a batch shows. On a GPU the composition of a
batch can change the last bits of a sum and, rarely, a token: start the server with VLLM_BATCH_INVARIANT=1 for exact
answers.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from callproof.calls import Completion, MalformedCall, NoCompletion, ParsedAnswer, parse_served
from callproof.endpoint import UNPARSED, prompt_tokens, request, shows_catalog
from callproof.records import Record
from callproof.scoring import Answer, Channel
from callproof.turns import Turn

from .subject import Refused, Sampled, Subject

Status = Literal["ok", "failed", "unknown"]
Verdict = tuple[Status, str]
UNKNOWN_MODEL = "callproof-no-such-model"
SAME_LOGPROB = 0.01
"""Log-probabilities that differ by no more than this (in nats) may come from the same weights in another batch."""


class Finding(Record):
    """The result of one check. `unknown` means that the server does not report what the check needs."""

    check: str
    status: Status
    seen: str


async def models_and_parents(subject: Subject) -> Verdict:
    """The server lists the base and every adapter, and each adapter's parent is the base."""
    cards = {card["id"]: card for card in await subject.endpoint.models()}
    if not cards:
        return "unknown", "the server lists no models"
    missing = [name for name in subject.models if name not in cards]
    if missing:
        return "failed", f"{', '.join(missing)} not served; served: {', '.join(cards) or 'nothing'}"
    if subject.adapters and not any(card.get("parent") for card in cards.values()):
        return "unknown", f"the models are served; the server does not tell their parents: {', '.join(cards)}"
    wrong = [name for name in subject.adapters if cards[name].get("parent") != subject.base]
    if wrong:
        return "failed", f"{wrong[0]} has the parent {cards[wrong[0]].get('parent')!r}, not {subject.base!r}"
    return "ok", ", ".join(cards)


async def unknown_model_refused(subject: Subject) -> Verdict:
    """A request for a model that is not served is refused (vLLM: HTTP 404), and is not answered by the base."""
    payload = request(subject.turns[0], UNKNOWN_MODEL, max_tokens=1, temperature=0.0, format=subject.format)
    status, _ = await subject.ask_chat(payload)
    seen = f"HTTP {status} for the model {UNKNOWN_MODEL!r}"
    if status == 200:
        return "failed", seen
    return ("ok" if status in (400, 404, 422) else "unknown"), seen


async def adapters_applied(subject: Subject) -> Verdict:
    """Each adapter answers differently from the base, in its tokens or their log-probabilities."""
    unlike, told = {}, True
    for name in subject.adapters:
        pairs = [(await subject.alone(turn, name), await subject.alone(turn, subject.base)) for turn in subject.turns]
        told &= all(one.logprobs and other.logprobs for one, other in pairs)
        unlike[name] = sum(_differ(one, other) for one, other in pairs)
    same = [name for name, count in unlike.items() if not count]
    if not subject.adapters:
        return "unknown", "no adapter is to be checked"
    if same and not told:
        return "unknown", f"{', '.join(same)} answers like the base, and there are no log-probabilities to tell more"
    if same:
        return (
            "failed",
            f"{', '.join(same)} answers all {len(subject.turns)} turns exactly like the base: it is not applied",
        )
    return "ok", ", ".join(f"{name}: {count} of {len(subject.turns)} answers differ" for name, count in unlike.items())


def _differ(one: Sampled, other: Sampled) -> bool:
    if one.tokens != other.tokens:
        return True
    pairs = zip(one.logprobs or (), other.logprobs or (), strict=False)
    return any(abs(a - b) > SAME_LOGPROB for a, b in pairs)


async def isolation(subject: Subject) -> Verdict:
    """Requests sent all at once get exactly the answers that they get one at a time."""
    questions = [(turn, model) for turn in subject.turns for model in subject.models]
    alone = [await subject.alone(turn, model) for turn, model in questions]
    beside = await subject.together(questions)
    changed = [
        model for (_, model), one, other in zip(questions, alone, beside, strict=True) if one.tokens != other.tokens
    ]
    if not changed:
        return "ok", f"{len(questions)} answers, the same one at a time and all at once"
    counts = ", ".join(f"{changed.count(model)} of {len(subject.turns)} of {model}" for model in sorted(set(changed)))
    return (
        "failed",
        f"answers change when other models answer at the same time: {counts} (on a CPU, keep a LoRA slot free)",
    )


async def channels_agree(subject: Subject) -> Verdict:
    """The calls in the raw text are the same as those that the server's own parser returns.

    It parses those of requests with tools alone; with a catalog in the text there is nothing to compare.
    """
    unparsed = subject.abilities.reasons.get("served") == UNPARSED
    if lacking := _lacking(subject, ("raw",) if unparsed else ("raw", "served")):
        return "unknown", lacking
    compared, differing = 0, []
    with_tools = [(turn, model) for turn, model in _few(subject) if turn.tools]
    if not with_tools:
        return "unknown", "no turn has tools, so the server parses no calls"
    for turn, model in with_tools:
        raw = subject.parsed(turn, await subject.answered(turn, model, "raw"))
        if not raw.calls or _malformed(raw):
            continue
        compared += 1
        served = await subject.answered(turn, model, "served")
        if subject.parsed(turn, served, "served").calls != raw.calls:
            differing.append(f"{model} on {turn.turn_id}")
    if differing:
        return (
            "failed",
            f"{len(differing)} of {compared} answers have other calls when the server parses them: {differing[0]}",
        )
    if not compared:
        return "unknown", "no answer held a well-formed call"
    return "ok", f"{compared} answers with calls, the same in both channels"


def _lacking(subject: Subject, channels: tuple[Channel, ...]) -> str | None:
    """What the server lacks of the channels, where it lacks one: a reason to know nothing, not to fail."""
    reasons = subject.abilities.reasons
    return next((f"no {channel} answers: {reasons[channel]}" for channel in channels if channel in reasons), None)


def _malformed(answer: ParsedAnswer) -> bool:
    return any(isinstance(call, MalformedCall) for call in answer.calls)


async def streaming_agrees(subject: Subject) -> Verdict:
    """A streamed answer equals the unstreamed one, in both channels.

    Answers with a malformed call are compared on the raw channel only: when streaming, vLLM's parsers have already sent
    the beginning of the call by the time it turns out to be malformed, and unstreamed they return it as text.
    """
    if subject.abilities.streams is False:
        return "unknown", "the server does not stream"
    compared, differing = 0, []
    for turn, model in _few(subject):
        for channel in await _comparable(subject, turn, model):
            whole = await subject.answered(turn, model, channel)
            reply = await subject.endpoint.stream({**subject.payload(turn, model, channel), "stream": True})
            if reply.answer.error:
                raise Refused(f"{model}, streamed: {reply.answer.error}")
            compared += 1
            if _content(Answer.of(whole)) != _content(reply.answer):
                differing.append(f"{model} on {turn.turn_id}, {channel}")
    if differing:
        return "failed", f"{len(differing)} of {compared} answers differ when streamed: {differing[0]}"
    if not compared:
        return "unknown", _lacking(subject, ("raw", "served")) or "no answer could be compared"
    return "ok", f"{compared} answers, the same streamed and whole"


async def _comparable(subject: Subject, turn: Turn, model: str) -> tuple[Channel, ...]:
    channels: tuple[Channel, ...] = ("raw", "served")
    had: list[Channel] = [channel for channel in channels if not _lacking(subject, (channel,))]
    if "raw" in had and _malformed(subject.parsed(turn, await subject.answered(turn, model, "raw"))):
        return ("raw",)
    return tuple(had)


def _content(answer: Answer) -> tuple[Any, ...]:
    """Text, calls and finish reason, without the call ids, which the server draws anew each time."""
    calls = parse_served(answer.tool_calls or ()).calls
    return answer.text.strip(), calls, answer.finish_reason


async def prefix_cache(subject: Subject) -> Verdict:
    """A prompt that is sent a second time is found in the prefix cache."""
    turn = max(subject.turns, key=lambda turn: len(str(turn.messages)) + len(str(turn.tools)))
    payload = request(turn, subject.base, max_tokens=1, temperature=0.0, format=subject.format)
    if await _cached_tokens(subject) is None:
        return "unknown", "/metrics does not report vllm:prefix_cache_hits"
    await subject.whole(payload)
    before = await _cached_tokens(subject) or 0.0
    completion = await subject.whole(payload)
    after = await _cached_tokens(subject) or 0.0
    prompt = (completion.usage or {}).get("prompt_tokens", "?")
    seen = f"{after - before:.0f} of {prompt} prompt tokens were in the cache"
    return ("ok" if after > before else "failed"), seen


async def _cached_tokens(subject: Subject) -> float | None:
    status, body = await subject.endpoint.ask("/metrics")
    values = re.findall(rb"^vllm:prefix_cache_hits(?:_total)?(?:\{[^}]*\})? (\S+)", body, re.MULTILINE)
    return sum(map(float, values)) if status == 200 and values else None


async def length_limit(subject: Subject) -> Verdict:
    """`max_model_len` is the planned one, and a longer prompt is refused instead of being cut silently."""
    cards = {card["id"]: card for card in await subject.endpoint.models()}
    limit = cards.get(subject.base, {}).get("max_model_len")
    if limit is not None and limit != subject.max_model_len:
        return "failed", f"max_model_len is {limit}, planned {subject.max_model_len}"
    text = " ".join(map(str, range(subject.max_model_len)))
    payload = {"model": subject.base, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    status, body = await subject.ask_chat(payload)
    if status in (400, 413, 422):
        return "ok", f"limit {limit or 'not reported'}; a longer prompt is refused with HTTP {status}"
    length = _length(body)
    counted = f", as one of {length} tokens" if length else ", its tokens uncounted"
    seen = f"a prompt of over {subject.max_model_len} tokens is answered with HTTP {status}{counted}"
    cut = limit is not None or 0 < length <= subject.max_model_len
    return ("failed", seen) if cut else ("unknown", f"the server tells no limit; {seen}")


def _length(body: bytes) -> int:
    """The prompt tokens that an answer counts; 0 if it counts none."""
    try:
        length = (Completion.of_body(body).usage or {})["prompt_tokens"]
    except (NoCompletion, LookupError):
        return 0
    return length if type(length) is int else 0


async def catalog_in_prompt(subject: Subject) -> Verdict:
    """The prompt that the server makes of a turn (asked of /tokenize) contains the names of the turn's tools."""
    turn = next((turn for turn in subject.turns if turn.tools), None)
    if turn is None:
        return "unknown", "no turn has tools"
    tools, counts = len(turn.tools or ()), ""
    for model in subject.models:
        tokens = await prompt_tokens(subject.endpoint, turn, model, with_tools=True)
        bare = await prompt_tokens(subject.endpoint, turn, model, with_tools=False)
        holds_names = await shows_catalog(subject.endpoint, turn, model, tokens, bare)
        if holds_names is None:
            return "unknown", f"/tokenize does not return the prompt of {model}"
        if not holds_names:
            return "failed", f"the prompt of {model} lacks the {tools} tools of {turn.turn_id}"
        counts = f"{tools} tools in {len(tokens)} prompt tokens, {len(bare)} without"
    return "ok", counts


def _few(subject: Subject) -> list[tuple[Turn, str]]:
    return [(turn, model) for turn in subject.calling_turns for model in subject.models]


CHECKS: tuple[Callable[[Subject], Awaitable[Verdict]], ...] = (
    models_and_parents,
    unknown_model_refused,
    catalog_in_prompt,
    length_limit,
    adapters_applied,
    isolation,
    channels_agree,
    streaming_agrees,
    prefix_cache,
)


async def run_check(check: Callable[[Subject], Awaitable[Verdict]], subject: Subject) -> Finding:
    """Run one check. A request that the server does not answer as it should makes the check fail."""
    try:
        status, seen = await check(subject)
    except Refused as error:
        status, seen = "failed", str(error)
    return Finding(check=check.__name__, status=status, seen=seen)
