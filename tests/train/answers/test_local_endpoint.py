"""The endpoint over one model in this process answers as the model does, and refuses what it does not understand."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from conftest import ROOT
from peft import LoraConfig, PeftModel, get_peft_model

from callproof.config import ModelConfig
from callproof.endpoint import Endpoint
from evaluate.cli import main as evaluate
from train.adapter.adapters import find_adapter
from train.answers.generation import Speaker, Wanted, load_speaker
from train.answers.infer import make_conversation
from train.answers.local_endpoint import LocalEndpoint

TINY = str(ROOT / "models/tiny")
TOOLS = json.loads((ROOT / "datasets/car_sales/tools.json").read_text())
HELLO = [{"role": "user", "content": "Any SUV below 30'000?"}]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on models/tiny whose weights change what it says."""
    torch.manual_seed(1)
    base = transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    folder = tmp_path_factory.mktemp("out") / "adapter"
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def speaker(adapter: Path) -> Speaker:
    return load_speaker(find_adapter(adapter))


def greedy(messages: list[dict[str, Any]], count: int, adapter: Path | None = None, **template: Any) -> str:
    """The most likely tokens, by transformers and PEFT alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    model = transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **template)
    said: list[int] = []
    with torch.inference_mode():
        for _ in range(count):
            token = int(model(torch.tensor([ids + said])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            said.append(token)
    return tokenizer.decode(said)


def asked(speaker: Speaker, act: Callable[[str], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        async with TestServer(LocalEndpoint(speaker, [TINY, "mine"]).app(), host="127.0.0.1") as server:
            return await act(str(server.make_url("")).rstrip("/"))

    return asyncio.run(go())


def body(**more: Any) -> dict[str, Any]:
    return {"model": "mine", "messages": HELLO, "max_tokens": 12, "temperature": 0, **more}


def test_base_and_adapter_say_what_the_libraries_say(speaker: Speaker, adapter: Path) -> None:
    async def both(url: str) -> list[str]:
        async with Endpoint(url) as endpoint:
            assert [card["id"] for card in await endpoint.models()] == [TINY, "mine"]
            replies = [await endpoint.chat(body(model=name)) for name in (TINY, "mine")]
        assert [reply.answer.finish_reason for reply in replies] == ["length", "length"]
        return [reply.answer.text or "" for reply in replies]

    base, adapted = asked(speaker, both)
    assert base == greedy(HELLO, 12)
    assert adapted == greedy(HELLO, 12, adapter)
    assert base != adapted


def test_a_streamed_answer_is_the_whole_one_in_many_pieces(speaker: Speaker) -> None:
    more = {"tools": TOOLS, "tool_choice": "none", "skip_special_tokens": False}

    async def both(url: str) -> Any:
        async with Endpoint(url) as endpoint:
            whole = await endpoint.chat(body(model=TINY, **more))
            usage = {"stream": True, "stream_options": {"include_usage": True}}
            return whole, await endpoint.stream(body(model=TINY, **more, **usage))

    whole, streamed = asked(speaker, both)
    assert whole.answer.text == streamed.answer.text == greedy(HELLO, 12, tools=TOOLS)
    assert streamed.pieces > 5
    assert streamed.answer.usage == whole.answer.usage
    assert whole.answer.usage["completion_tokens"] == 12


def test_an_answer_ends_where_the_model_ends_it_and_the_end_is_no_part_of_it(speaker: Speaker) -> None:
    end = speaker.encoder.tokenizer.eos_token_id
    pieces: list[str] = []
    prompt = speaker.encoder.tokenizer("Sold.", add_special_tokens=False)["input_ids"]

    class Ending(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.device, self.generate, self.config = model.device, self._generate, model.config
            self.generation_config = model.generation_config

        def _generate(self, input_ids: Any, streamer: Any, **_: Any) -> Any:
            said = [*speaker.encoder.tokenizer("für 9 €", add_special_tokens=False)["input_ids"], end]
            streamer.put(input_ids)
            for token in said:
                streamer.put(torch.tensor([token]))
            return torch.cat([input_ids, torch.tensor([said])], 1)

    ending = Speaker(Ending(speaker._model), speaker.encoder.tokenizer)
    generated = ending.answer(prompt, Wanted(50, 0.0), pieces.append)
    assert (generated.text, generated.finish_reason) == ("für 9 €", "stop")
    assert "".join(pieces) == generated.text
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_seed_repeats_a_sampled_answer(speaker: Speaker) -> None:
    async def three(url: str) -> list[str | None]:
        async with Endpoint(url) as endpoint:
            return [
                (await endpoint.chat(body(temperature=1.5, seed=seed, max_tokens=20))).answer.text for seed in (1, 1, 2)
            ]

    first, again, other = asked(speaker, three)
    assert first == again != other


def test_an_answer_ends_when_its_client_goes_away(speaker: Speaker) -> None:
    async def leave(url: str) -> float:
        long = body(stream=True, max_tokens=3000, model=TINY)
        async with ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=long) as response:
            await response.content.readline()
        began = time.monotonic()
        async with Endpoint(url) as endpoint:
            assert (await endpoint.chat(body(max_tokens=1))).answer.text is not None
        return time.monotonic() - began

    assert asked(speaker, leave) < 20


def call(arguments: str) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "another model": ({"model": "x"}, 404, "served: "),
    "an unknown key": ({"logprobs": True}, 400, "logprobs: Extra inputs"),
    "token ids": ({"return_token_ids": True}, 400, "return_token_ids"),
    "parsed calls": ({"tools": TOOLS}, 400, "send tool_choice 'none'"),
    "no message": ({"messages": []}, 400, "messages"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content"),
    "arguments that are no object": (
        {"messages": [*HELLO, {"role": "assistant", "tool_calls": [call("[]")]}]},
        400,
        "expected the text of a JSON object",
    ),
    "broken arguments": ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [call("{")]}]}, 400, "arguments"),
    "too long": ({"max_tokens": 4096}, 400, "are over the model's 4096"),
    "no token": ({"max_tokens": 0}, 400, "max_tokens"),
}


@pytest.mark.parametrize(("change", "status", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused(speaker: Speaker, change: Any, status: int, problem: str) -> None:
    async def post(url: str) -> tuple[int, str]:
        wanted = body(**change)
        async with ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=wanted) as response:
            return response.status, (await response.json())["error"]["message"]

    got, message = asked(speaker, post)
    assert got == status
    assert problem in message


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_other_sites_in_the_same_browser_are_refused(speaker: Speaker, headers: dict[str, str]) -> None:
    async def get(url: str) -> int:
        async with ClientSession() as session, session.get(f"{url}/v1/models", headers=headers) as response:
            return response.status

    assert asked(speaker, get) == 403


def test_evaluate_asks_it_with_tools_although_it_refuses_to_choose_for_itself(speaker: Speaker, tmp_path: Path) -> None:
    """Its refusal of `tool_choice: auto` names the key that it took as `none`, without which it answers nothing."""
    config = str(ROOT / "configs/car_sales.yaml")
    words = ["--config", config, "--model", "mine", "--limit-sessions", "1", "--channel", "raw", "--out", str(tmp_path)]

    async def evaluated(url: str) -> None:
        await asyncio.to_thread(evaluate, [*words, "--endpoint", url, "eval.max_tokens=8"])

    asked(speaker, evaluated)
    [path] = tmp_path.glob("*/outcomes.jsonl")
    errors = [json.loads(line)["answer"]["error"] for line in path.read_text().splitlines()]
    assert errors
    assert set(errors) == {None}


def test_a_whole_model_is_one_name_and_loads_alone() -> None:
    speaker = load_speaker(ModelConfig(base_model=TINY))
    talk = Wanted(4, 0.0)
    prompt = speaker.prompt(make_conversation(HELLO[0]["content"], None, None, None)[0], 4)
    assert speaker.answer(prompt, talk, lambda _: None).text == greedy(HELLO, 4)
