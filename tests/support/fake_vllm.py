"""vLLM as far as `serve` asks it, over real HTTP: cards with parents, token ids, limits, metrics, runtime loading.

with FakeVLLM(base="tiny", adapters={"cars": "/adapters/cars"}) as fake:
    ...

Loading and unloading follow vLLM 0.32: one lock a name, which requests for an unknown name wait for as well.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from fake_endpoint import FakeEndpoint, Script, prompt_tokens

Answer = Callable[[dict[str, Any], "FakeVLLM"], Script]


def weights_answer(payload: dict[str, Any], fake: "FakeVLLM") -> Script:
    """A call that tells the model's weights, raw or parsed as the request asks: the same weights answer the same."""
    weights = fake.weights(payload["model"])
    arguments = json.dumps({"weights": weights})
    if payload.get("tool_choice") == "auto":
        call = {"id": "c", "type": "function", "function": {"name": "note", "arguments": arguments}}
        return Script(text="", tool_calls=(call,), finish_reason="tool_calls")
    return Script(text=f'<tool_call>\n{{"name": "note", "arguments": {arguments}}}\n</tool_call>')


class FakeVLLM(FakeEndpoint):
    """A FakeEndpoint with an engine's outside.

    Args:
        adapters: names and paths that are loaded from the start.
        answer: (payload, this server) -> Script.
        max_model_len: told on the base's card; prompts of more words get 400.
        parent: what adapters' cards say instead of the base.
        skip_names: an unknown model is answered by the base, as with VLLM_SKIP_MODEL_NAME_VALIDATION.
        truncates: a prompt that is too long is cut short.
        cached: whether /metrics counts a repeated prompt; None: there is no /metrics.
        loads: whether runtime loading is on; refused: paths that the engine does not load.
        load_s: how long a load takes.
    """

    def __init__(
        self,
        base: str = "tiny",
        adapters: dict[str, str] | None = None,
        answer: Answer = weights_answer,
        *,
        max_model_len: int = 4096,
        parent: str | None = None,
        skip_names: bool = False,
        truncates: bool = False,
        cached: bool | None = True,
        loads: bool = True,
        refused: Callable[[str], bool] = lambda _: False,
        load_s: float = 0.05,
        **options: Any,
    ) -> None:
        super().__init__(lambda payload: answer(payload, self), models=[base], **options)
        self.base, self.adapters = base, dict(adapters or {})
        self._parent, self._skip_names, self._truncates = parent or base, skip_names, truncates
        self._max_model_len, self._cached = max_model_len, cached
        self._loads, self._refused, self._load_s = loads, refused, load_s
        self._prompts: set[str] = set()
        self._hits = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self.unknown: list[str] = []
        self.loading: list[dict[str, Any]] = []

    def weights(self, model: str) -> str:
        return self.adapters.get(model, "base")

    def _add_routes(self, app: web.Application) -> None:
        if self._cached is not None:
            app.router.add_get("/metrics", self._metrics)
        if self._loads:
            app.router.add_post("/v1/load_lora_adapter", self._load)
            app.router.add_post("/v1/unload_lora_adapter", self._unload)

    async def _list_models(self, _: web.Request) -> web.Response:
        base = {"id": self.base, "root": "base", "parent": None, "max_model_len": self._max_model_len}
        cards = [{"id": name, "root": path, "parent": self._parent} for name, path in self.adapters.items()]
        return web.json_response({"object": "list", "data": [base, *cards]})

    async def _metrics(self, _: web.Request) -> web.Response:
        text = f'# TYPE vllm:prefix_cache_hits counter\nvllm:prefix_cache_hits_total{{engine="0"}} {self._hits}\n'
        return web.Response(text=text)

    async def _admit(self, payload: dict[str, Any]) -> Script | None:
        """The refusal of a request, if it is refused; counts its prompt."""
        model = payload["model"]
        if model != self.base and model not in self.adapters:
            async with self._lock(model):
                if model not in self.adapters and not self._skip_names:
                    self.unknown.append(model)
                    return _error(404, f"The model `{model}` does not exist.")
        prompt = prompt_tokens({key: payload[key] for key in ("messages", "tools") if key in payload})
        if len(str(payload["messages"]).split()) >= self._max_model_len:
            return None if self._truncates else _error(400, "This model's maximum context length is shorter.")
        key = hashlib.sha256(bytes(prompt) + model.encode()).hexdigest()
        self._hits += 96 if self._cached and key in self._prompts else 0
        self._prompts.add(key)
        return None

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _load(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, path = body["lora_name"], body["lora_path"]
        async with self._lock(name):
            if name in self.adapters and not body.get("load_inplace"):
                return _response(_error(400, f"The lora adapter '{name}' has already been loaded."))
            await asyncio.sleep(self._load_s)
            if self._refused(path):
                return _response(_error(500, f"No adapter found for {path}"))
            self.loading.append(body)
            self.adapters[name] = path
            return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        name = (await request.json())["lora_name"]
        async with self._lock(name):
            if name not in self.adapters:
                return _response(_error(404, f"The lora adapter '{name}' cannot be found."))
            del self.adapters[name]
            self.loading.append({"unloaded": name})
            return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")


def _error(status: int, message: str) -> Script:
    return Script(status=status, body=json.dumps({"error": {"message": message, "code": status}}).encode())


def _response(script: Script) -> web.Response:
    return web.Response(status=script.status, body=script.body, content_type="application/json")


@contextlib.asynccontextmanager
async def hammered(ask: Callable[[], Any]) -> AsyncIterator[list[Any]]:
    """Inside the block one request after another is made without a pause; yields the list of what they returned."""
    answers: list[Any] = []

    async def hammer() -> None:
        while True:
            answers.append(await ask())

    tasks = [asyncio.create_task(hammer()) for _ in range(4)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
