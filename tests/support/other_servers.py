"""Servers that are not vLLM, as far as their answers differ, over real HTTP.

with OtherServer(right, parses="always", usage="none") as fake:
    ...
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal

from aiohttp import web
from fake_endpoint import FakeEndpoint, Script, prompt_tokens

CONTENTS: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "null": lambda text: text or None,
    "list": lambda text: [{"type": "text", "text": text}],
}

PLAYED: dict[str, dict[str, Any]] = {
    "SGLang, TGI": {"none": "hides tools", "arguments": "object"},
    "Ollama, LM Studio": {"parses": "always"},
}
"""Options of `OtherServer` after what the documentation of these servers says: nobody ran them here."""


class OtherServer(FakeEndpoint):
    """A FakeEndpoint whose peculiarities are options; the probe gets what any request gets.

    Args:
        answer: payload -> what the model writes, in the hermes format.
        parses: whether calls come parsed: `auto`, as `tool_choice` says; `always`; `never`.
        none: what `tool_choice: none` does besides: nothing; it keeps the tools from the prompt; or it keeps the model
            from calling.
        refuses: keys that get HTTP 400, and `tools`.
        names: whether the refusal names the key.
        lists: what /v1/models has: the models, a status, an empty or a bare list.
        content: the form of `content`; arguments: of those of a call.
        usage: whether tokens are counted: as they are, always 9, or not.
        streams: whether it streams; otherwise HTTP 400.
        prefix: of every path.
        status: of refusals.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], str],
        models: Iterable[str] = ("tiny",),
        *,
        parses: Literal["auto", "always", "never"] = "auto",
        none: Literal["is raw", "hides tools", "forbids calls"] = "is raw",
        refuses: Iterable[str] = (),
        names: bool = True,
        lists: Literal["models", "empty", "bare"] | int = "models",
        content: Literal["text", "null", "list"] = "null",
        arguments: Literal["text", "object"] = "text",
        usage: Literal["counted", "constant", "none"] = "counted",
        streams: bool = True,
        prefix: str = "",
        status: int = 400,
        **options: Any,
    ) -> None:
        super().__init__(models=models, **{"template": None, "probed": None, **options})
        self._written, self._parses, self._none = answer, parses, none
        self._refuses, self._names, self._lists, self._status = tuple(refuses), names, lists, status
        self._content, self._arguments, self._usage = CONTENTS[content], arguments, usage
        self._streams, self._prefix = streams, prefix

    @property
    def address(self) -> str:
        return self.url + self._prefix

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The requests that got an answer with status 200."""
        return [payload for payload in self.requests if not self._refusal(payload)]

    def _add_routes(self, app: web.Application) -> None:
        if self._prefix:
            app.router.add_get(f"{self._prefix}/v1/models", self._list_models)
            app.router.add_post(f"{self._prefix}/v1/chat/completions", self._chat)

    async def _list_models(self, _: web.Request) -> web.Response:
        if isinstance(self._lists, int):
            return web.json_response({"detail": "Not Found"}, status=self._lists)
        cards = [] if self._lists == "empty" else [{"id": name} for name in self._models]
        return web.json_response(cards if self._lists == "bare" else {"data": cards})

    def _refusal(self, payload: dict[str, Any]) -> str | None:
        if payload.get("stream") and not self._streams:
            return "streaming is not supported"
        key = next((key for key in self._refuses if key in payload), None)
        if key is None:
            return None
        return f"Unrecognized request argument supplied: {key}" if self._names else "Bad request"

    async def _script(self, payload: dict[str, Any]) -> Script:
        if (refusal := self._refusal(payload)) is not None:
            return Script(status=self._status, body=json.dumps({"error": {"message": refusal}}).encode())
        hidden = payload.get("tool_choice") == "none" and self._none != "is raw"
        text = self._written(payload) if payload.get("tools") and not hidden else "You are welcome."
        calls = self._calls(payload, text)
        message: dict[str, Any] = {"role": "assistant", "content": self._content("" if calls else text)}
        message |= {"tool_calls": calls} if calls else {}
        usage = {"usage": self._count(payload, hidden)} if self._usage != "none" else {}
        reason = "tool_calls" if calls else "stop"
        if payload.get("stream"):
            return Script(body=b"".join(_events(message, reason, usage, payload)))
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return Script(body=json.dumps({"choices": [choice], **usage}).encode())

    def _calls(self, payload: dict[str, Any], text: str) -> list[dict[str, Any]]:
        asked = self._parses == "always" or (self._parses == "auto" and payload.get("tool_choice", "auto") == "auto")
        if not asked or not text.startswith("<tool_call>"):
            return []
        function = json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        if self._arguments == "text":
            function["arguments"] = json.dumps(function["arguments"])
        return [{"id": "c0", "type": "function", "function": function}]

    def _count(self, payload: dict[str, Any], hidden: bool) -> dict[str, int]:
        if self._usage == "constant":
            return {"prompt_tokens": 9, "completion_tokens": 9}
        seen = ("messages",) if hidden and self._none == "hides tools" else ("messages", "tools")
        prompt = {key: payload[key] for key in seen if key in payload}
        return {"prompt_tokens": len(prompt_tokens(prompt)), "completion_tokens": 5}


def _events(message: dict[str, Any], reason: str, usage: dict[str, Any], payload: dict[str, Any]) -> Iterable[bytes]:
    calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls", ()))]
    delta = {**message, **({"tool_calls": calls} if calls else {})}
    for part, end in ((delta, None), ({}, reason)):
        yield b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": part, "finish_reason": end}]}).encode()
    if usage and (payload.get("stream_options") or {}).get("include_usage"):
        yield b"data: %s\n\n" % json.dumps({"choices": [], **usage}).encode()
    yield b"data: [DONE]\n\n"
