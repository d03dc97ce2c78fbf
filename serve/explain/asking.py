"""What a running server says to the same turns: each arm alone, beside the others, parsed by the server, streamed."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from callproof.calls import MalformedCall, NoCompletion, ParsedAnswer, load_json, parse_served
from callproof.endpoint import TOKEN_IDS, prompt_tokens, request
from callproof.scoring import Answer, Channel
from callproof.turns import Greedy, ServedAnswers, Turn

from ..operate.subject import MAX_TOKENS, Refused, Subject
from .cells import Arm, Cell, Place, cell, parting

IDENTITY = "callproof-identity"
"""The served name of the adapter that changes nothing."""
Arms = dict[Arm, str]


@dataclass(frozen=True)
class Heard:
    """The answers of a server, in the order of the turns: of each arm the tokens, and the prompt of each turn."""

    turns: tuple[Turn, ...]
    prompts: tuple[tuple[int, ...], ...]
    alone: dict[Arm, list[Greedy]]
    cells: tuple[Cell, ...]

    def for_reference(self) -> Iterator[ServedAnswers]:
        """What transformers is asked about."""
        rows = zip(self.turns, self.prompts, self.alone["base"], self.alone["adapter"], strict=True)
        for turn, prompt, base, adapter in rows:
            yield ServedAnswers(turn_id=turn.turn_id, prompt=prompt, base=base, adapter=adapter)


async def greedy(subject: Subject, turn: Turn, model: str) -> Greedy:
    """The first MAX_TOKENS tokens of a greedy answer, the one that ended it included; raises Refused."""
    limit = min(MAX_TOKENS, subject.max_tokens)
    payload = request(turn, model, max_tokens=limit, temperature=0.0, format=subject.format)
    body = await subject.post_chat({**payload, TOKEN_IDS: True, "logprobs": True})
    try:
        choice = load_json(body)["choices"][0]
        tokens = tuple(int(token) for token in choice["token_ids"])
        logprobs = tuple(float(entry["logprob"]) for entry in choice["logprobs"]["content"])
        if not tokens or len(tokens) != len(logprobs):
            raise ValueError
    except (NoCompletion, LookupError, TypeError, ValueError):
        raise Refused("the answer has no token ids with log-probabilities: is the server vLLM?") from None
    return Greedy(tokens=tokens, logprobs=logprobs)


async def hear(subject: Subject, arms: Arms) -> Heard:
    """Ask a server everything.

    Args:
        arms: the served name of each arm.

    Raises:
        Refused: it does not answer, or does not tell tokens.
    """
    turns = subject.turns
    prompts = tuple([await _prompt(subject, turn, arms["adapter"]) for turn in turns])
    alone: dict[Arm, list[Greedy]] = {
        arm: [await greedy(subject, turn, model) for turn in turns] for arm, model in arms.items()
    }
    beside = await _beside(subject, arms, alone)
    await _answer_all(subject, arms)
    parsed = [await way(subject, arm, model) for way in (_served, _streamed) for arm, model in arms.items()]
    return Heard(turns, prompts, alone, (*beside, *parsed))


async def _prompt(subject: Subject, turn: Turn, model: str) -> tuple[int, ...]:
    tokens = await prompt_tokens(subject.endpoint, turn, model, with_tools=True)
    if not tokens:
        raise Refused(f"{subject.endpoint.root}/tokenize does not tell the prompt of {turn.turn_id}: is it a vLLM?")
    return tuple(tokens)


async def _beside(subject: Subject, arms: Arms, alone: dict[Arm, list[Greedy]]) -> list[Cell]:
    """All arms asked all turns at once, against the answers to the same requests alone."""
    questions = [(turn, model) for turn in subject.turns for model in arms.values()]
    together = await asyncio.gather(*(greedy(subject, *question) for question in questions))
    cells = []
    for number, arm in enumerate(arms):
        pairs = zip(subject.turns, together[number :: len(arms)], alone[arm], strict=True)
        places = [parting(turn.turn_id, "token", one.tokens, other.tokens) for turn, one, other in pairs]
        cells.append(cell(arm, "beside", "the same, alone", places))
    return cells


async def _answer_all(subject: Subject, arms: Arms) -> None:
    """Ask for every whole answer at once; whether that changes them has been seen before."""
    channels: tuple[Channel, ...] = ("raw", "served")
    questions: list[tuple[Turn, str, Channel]] = [
        (turn, model, channel) for turn in subject.turns for model in arms.values() for channel in channels
    ]
    await asyncio.gather(*(subject.answered(*question) for question in questions))


async def _served(subject: Subject, arm: Arm, model: str) -> Cell:
    """The calls of the server's parser against those in the raw text; answers with a malformed call are left out."""
    places: list[Place | None] = []
    for turn in subject.turns:
        raw = subject.parsed(turn, await subject.answered(turn, model, "raw"))
        if _malformed(raw):
            continue
        served = subject.parsed(turn, await subject.answered(turn, model, "served"), "served")
        places.append(parting(turn.turn_id, "call", served.calls, raw.calls))
    return cell(arm, "served", "calls in the raw text", places)


async def _streamed(subject: Subject, arm: Arm, model: str) -> Cell:
    """The streamed answer against the whole one; where a call is malformed, on the raw channel alone.

    A parser has already streamed the beginning of a call when it turns out to be malformed.
    """
    places = await asyncio.gather(*(_turn_parts(subject, turn, model) for turn in subject.turns))
    return cell(arm, "streamed", "the same, whole", places)


async def _turn_parts(subject: Subject, turn: Turn, model: str) -> Place | None:
    malformed = _malformed(subject.parsed(turn, await subject.answered(turn, model, "raw")))
    channels: tuple[Channel, ...] = ("raw",) if malformed else ("raw", "served")
    parted = [await _stream_parts(subject, turn, model, channel) for channel in channels]
    return next(filter(None, parted), None)


async def _stream_parts(subject: Subject, turn: Turn, model: str, channel: Channel) -> Place | None:
    whole = Answer.of(await subject.answered(turn, model, channel))
    reply = await subject.endpoint.stream({**subject.payload(turn, model, channel), "stream": True})
    if reply.answer.error:
        return Place(turn_id=turn.turn_id, unit="character", at=0)
    streamed = reply.answer
    return (
        parting(turn.turn_id, "character", streamed.text.strip(), whole.text.strip())
        or parting(turn.turn_id, "call", _calls(streamed), _calls(whole))
        or parting(turn.turn_id, "finish reason", [streamed.finish_reason], [whole.finish_reason])
    )


def _calls(answer: Answer) -> Sequence[Any]:
    return parse_served(answer.tool_calls or ()).calls


def _malformed(answer: ParsedAnswer) -> bool:
    return any(isinstance(call, MalformedCall) for call in answer.calls)
