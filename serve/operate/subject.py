"""The server under check: the models it should serve, the turns to send, and its answers token by token."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from callproof.calls import Completion, NoCompletion, ParsedAnswer, load_json, parse_answer, parse_served
from callproof.config import RunConfig
from callproof.endpoint import TOKEN_IDS, Abilities, Endpoint, NoAnswer, request
from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn, catalog_of, eval_turns

TIMEOUT_S = 300.0
MAX_TOKENS = 64


class Refused(Exception):
    """The server did not answer a request that it should have answered, or answered in another form."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A greedy answer: its tokens and the log-probability of each; None where the server does not tell them.

    `tokens` are ids as vLLM tells them, or their texts beside log-probabilities; otherwise the whole answer is one.
    """

    tokens: tuple[int | str, ...]
    logprobs: tuple[float, ...] | None

    @classmethod
    def of_body(cls, body: bytes) -> "Sampled":
        """Read a chat completion; raises Refused if it is none."""
        try:
            completion, choice = Completion.of_body(body), load_json(body)["choices"][0]
        except (NoCompletion, LookupError, TypeError) as error:
            raise Refused(str(error)) from None
        entries = (choice.get("logprobs") or {}).get("content") or ()
        try:
            logprobs = tuple(float(entry["logprob"]) for entry in entries) or None
            texts = tuple(str(entry["token"]) for entry in entries)
        except (LookupError, TypeError, ValueError):
            logprobs, texts = None, ()
        calls = parse_served(completion.tool_calls or ()).calls
        whole = (completion.text, *(str(call) for call in calls))
        return cls(completion.tokens or texts or whole, logprobs)


class Subject:
    """Base, adapters and turns of one server. Greedy answers to single requests are asked for once and kept.

    Args:
        base: the name that the base is served under.
        adapters: served names of the adapters to check.
        turns: sent to each model.
        max_model_len: the planned limit of prompt and answer together, in tokens.
        max_tokens: the limit of one answer.
        format: in which the models write calls.
        abilities: what the server can.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        base: str,
        adapters: Sequence[str],
        turns: Sequence[Turn],
        max_model_len: int,
        max_tokens: int,
        format: CallFormat = HERMES,
        abilities: Abilities | None = None,
    ) -> None:
        self.abilities = abilities or Abilities(url=endpoint.root)
        self.endpoint, self.base, self.adapters, self.turns = endpoint, base, tuple(adapters), tuple(turns)
        self.max_model_len, self.max_tokens, self.format = max_model_len, max_tokens, format
        self._alone: dict[tuple[str, str], Sampled] = {}
        self._answered: dict[tuple[str, str, Channel], Completion] = {}

    @property
    def models(self) -> tuple[str, ...]:
        return (self.base, *self.adapters)

    @property
    def calling_turns(self) -> tuple[Turn, ...]:
        """Up to four turns whose gold is a call, or any four if there is none."""
        return tuple([turn for turn in self.turns if turn.expects_call][:4] or self.turns[:4])

    async def ask_chat(self, payload: dict[str, Any]) -> tuple[int, bytes]:
        """POST a chat completion without the keys that the server refuses; status and body."""
        while True:
            known = self.endpoint.known(payload)
            status, body = await self.endpoint.ask("/v1/chat/completions", known, TIMEOUT_S)
            if not self.endpoint.learns(known, status, body.decode("utf-8", "replace")):
                return status, body

    async def post_chat(self, payload: dict[str, Any]) -> bytes:
        """POST a chat completion and return the body; raises Refused unless the status is 200."""
        status, body = await self.ask_chat(payload)
        if status != 200:
            raise Refused(f"{payload['model']}: HTTP {status}: {body[:160].decode('utf-8', 'replace')}")
        return body

    async def sample(self, turn: Turn, model: str) -> Sampled:
        """The first MAX_TOKENS tokens of a greedy answer."""
        payload = request(turn, model, max_tokens=min(MAX_TOKENS, self.max_tokens), temperature=0.0, format=self.format)
        beside = {TOKEN_IDS: True} | ({} if self.abilities.logprobs is False else {"logprobs": True})
        return Sampled.of_body(await self.post_chat(payload | beside))

    async def alone(self, turn: Turn, model: str) -> Sampled:
        """`sample` with no other request of ours in flight."""
        key = (model, turn.turn_id)
        if key not in self._alone:
            self._alone[key] = await self.sample(turn, model)
        return self._alone[key]

    async def together(self, questions: Iterable[tuple[Turn, str]]) -> list[Sampled]:
        """`sample` for all (turn, model) pairs at the same time."""
        return list(await asyncio.gather(*(self.sample(turn, model) for turn, model in questions)))

    async def answered(self, turn: Turn, model: str, channel: Channel) -> Completion:
        """The whole greedy answer to a turn, sent alone; asked for once and kept."""
        key = (model, turn.turn_id, channel)
        if key not in self._answered:
            self._answered[key] = await self.whole(self.payload(turn, model, channel))
        return self._answered[key]

    def payload(self, turn: Turn, model: str, channel: Channel) -> dict[str, Any]:
        """The request body for a whole greedy answer."""
        return request(turn, model, max_tokens=self.max_tokens, temperature=0.0, channel=channel, format=self.format)

    def parsed(self, turn: Turn, answer: Completion, channel: Channel = "raw") -> ParsedAnswer:
        """An answer to a turn as its text reads, or (`served`) as the server's parser read it."""
        tools = catalog_of(turn).parameters
        how = self.format.name, tools, turn.prefilled_thinking and not answer.thinking
        if channel == "raw":
            return parse_answer(answer.text, answer.finish_reason, *how)
        return parse_served(answer.tool_calls or (), answer.text, answer.finish_reason, *how)

    async def whole(self, payload: dict[str, Any]) -> Completion:
        """The answer to a request; where it asks for token ids and the server can read them, with their text."""
        try:
            return await self.endpoint.as_written(Completion.of_body(await self.post_chat(payload)), payload)
        except NoAnswer as error:
            raise Refused(f"the raw text cannot be had: {error}") from None
        except NoCompletion as error:
            raise Refused(f"{payload['model']}: {error}") from None


def pool(configs: Sequence[RunConfig], count: int) -> list[Turn]:
    """`count` different eval turns, one from each configuration at a time; raises what `eval_turns` raises."""
    turns_of_configs = [eval_turns(config) for config in configs]
    unique = {
        turn.turn_id: turn
        for row in range(max(map(len, turns_of_configs)))
        for turns in turns_of_configs
        for turn in turns[row : row + 1]
    }
    return list(unique.values())[:count]
