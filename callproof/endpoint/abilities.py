"""What a server can, and the channel that this leaves: raw text where it can be had, otherwise calls that it parses."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from callproof.errors import UserError
from callproof.records import Record
from callproof.scoring import Channel

from .raw_text import RawText

Wanted = Literal["auto", "raw", "served", "both"]
Lack = Literal["raw", "served", "tokenize"]
"""What may be lacking with a reason: a channel, or the tokens of a prompt."""
UNPARSED = "calls come as text, unparsed"
"""Why there is no served channel where the server takes the requests, and its parser finds nothing or is none."""
_OTHER: dict[Channel, Channel] = {"raw": "served", "served": "raw"}


class Abilities(Record):
    """What one endpoint showed in a few requests (see `probe`); None: they did not show it.

    Attributes:
        version: as it tells it at /version.
        template_hash: of its chat template (vLLM reports it with `--enable-tokenizer-info-endpoint`).
        prompt_hash: of the prompt tokens of one turn; it changes with the template and the tokenizer.
        catalog_in_prompt: whether those tokens hold the turn's tools.
        models: whether it lists the models that it serves; owners: who owns them as it says, such as `vllm`.
        tokenize: whether it tells the tokens of a conversation.
        tools: whether it takes requests with tools.
        raw: whether an answer's text is what the model wrote, calls included.
        served: whether calls come parsed.
        raw_text: what the text of a raw answer is made from.
        seed: whether it takes a seed; whether it obeys it is not tried.
        logprobs: whether it tells log-probabilities.
        streams: whether it streams; stream_usage: whether it counts the tokens of a stream.
        reasons: why a channel, or the tokens of a prompt, cannot be had.
        left_out: keys that it refuses, and is asked without.
    """

    url: str
    version: str | None = None
    template_hash: str | None = None
    prompt_hash: str | None = None
    catalog_in_prompt: bool | None = None
    models: bool = True
    owners: tuple[str, ...] = ()
    tokenize: bool = False
    tools: bool | None = None
    raw: bool | None = None
    served: bool | None = None
    raw_text: RawText = "content"
    seed: bool | None = None
    logprobs: bool | None = None
    streams: bool | None = None
    stream_usage: bool | None = None
    reasons: dict[Lack, str] = Field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def can(self, channel: Channel) -> bool | None:
        """Whether answers can be had over a channel."""
        return self.raw if channel == "raw" else self.served

    @property
    def words(self) -> str:
        """One line: what it has, what it lacks, and what it did not show."""
        parts = {
            "raw text": self.raw,
            "parsed calls": self.served,
            "/tokenize": self.tokenize,
            "log-probabilities": self.logprobs,
            "seeds": self.seed,
            "token counts in streams": self.stream_usage,
            "a list of models": self.models,
        }
        lists = [
            (title, [name for name, value in parts.items() if value is wanted])
            for title, wanted in (("has", True), ("lacks", False), ("not known:", None))
        ]
        return "; ".join(f"{title} {', '.join(names)}" for title, names in lists if names)


def choose_channel(servers: Sequence[Abilities], wanted: Wanted) -> Literal["raw", "served", "both"]:
    """The channel of a run over all of these endpoints.

    Args:
        wanted: `auto`: raw where no endpoint lacks it, otherwise served.

    Raises:
        UserError: an endpoint lacks the wanted channel, or with `auto` both.
    """
    if wanted != "auto":
        for channel in ("raw", "served") if wanted == "both" else (wanted,):
            _require(servers, channel)
        return wanted
    for channel in ("raw", "served"):
        if all(server.can(channel) is not False for server in servers):
            return channel
    server = next(server for server in servers if server.raw is False)
    reasons = "; ".join(f"{channel}: {server.reasons[channel]}" for channel in _OTHER if channel in server.reasons)
    mend = "use another server, or start this one with a parser of calls"
    raise UserError(server.url, f"gives neither raw text nor parsed calls ({reasons})", mend)


def _require(servers: Sequence[Abilities], channel: Channel) -> None:
    for server in servers:
        if server.can(channel) is False:
            other = _OTHER[channel]
            use = "start the server otherwise" if server.can(other) is False else f"use --channel {other}"
            raise UserError(server.url, f"--channel {channel} cannot be had: {server.reasons[channel]}", use)


def channel_words(servers: Sequence[Abilities], channel: str) -> Iterator[str]:
    """A line an endpoint: what it can, and why the channel is this one."""
    for server in servers:
        why = f" ({server.reasons['raw']})" if channel == "served" and "raw" in server.reasons else ""
        yield f"{server.url}: channel {channel}{why}; {server.words}"
