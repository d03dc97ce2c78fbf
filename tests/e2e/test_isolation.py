"""Base and adapters on one server do not disturb each other, and the server feeds what training showed."""

import asyncio

import aiohttp
import pytest
from conftest import ROOT, Deployment

from callproof.config import RunConfig, load
from callproof.endpoint import request
from callproof.turns import Turn, eval_turns, template_messages

pytestmark = pytest.mark.e2e
Tokens = tuple[int, ...]


def turns_of(deployment: Deployment, name: str, count: int) -> list[Turn]:
    config = load(deployment.configs[name])
    return eval_turns(config)[:count]


async def _tokens(session: aiohttp.ClientSession, url: str, turn: Turn, model: str) -> Tokens:
    body = {**request(turn, model, max_tokens=64, temperature=0.0), "return_token_ids": True}
    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return tuple((await answer.json())["choices"][0]["token_ids"])


async def _ask(url: str, asked: list[tuple[Turn, str]], together: bool) -> list[Tokens]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session:
        if together:
            return list(await asyncio.gather(*(_tokens(session, url, turn, model) for turn, model in asked)))
        return [await _tokens(session, url, turn, model) for turn, model in asked]


def test_base_answers_do_not_change_when_adapters_are_asked_beside_it(deployment: Deployment) -> None:
    turns = turns_of(deployment, "car_sales", 20)
    base = [(turn, "tiny") for turn in turns]
    adapters = [(turn, name) for turn in turns for name in ("car_sales", "insurance")]
    alone = asyncio.run(_ask(deployment.url, base, together=False))
    mixed = [pair for triple in zip(base, adapters[::2], adapters[1::2], strict=True) for pair in triple]
    beside = asyncio.run(_ask(deployment.url, mixed, together=True))
    assert beside[::3] == alone
    assert beside[1::3] != alone, "the adapter answers as the base does: it was not applied"


def test_adapter_answers_do_not_change_beside_the_other_adapter(deployment: Deployment) -> None:
    turns = turns_of(deployment, "insurance", 12)
    own = [(turn, "insurance") for turn in turns]
    alone = asyncio.run(_ask(deployment.url, own, together=False))
    others = [(turn, "car_sales") for turn in turns]
    mixed = [pair for couple in zip(own, others, strict=True) for pair in couple]
    assert asyncio.run(_ask(deployment.url, mixed, together=True))[::2] == alone


@pytest.mark.parametrize("name", ["car_sales", "insurance"])
def test_the_server_feeds_the_tokens_that_training_used(deployment: Deployment, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = load(deployment.configs[name])
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(ROOT / config.model.base_model))
    turns = turns_of(deployment, name, 40)
    served = asyncio.run(_tokenized(deployment.url, turns, config))
    for turn, tokens in zip(turns, served, strict=True):
        text = tokenizer.apply_chat_template(
            template_messages(turn.messages), tools=list(turn.tools or ()), tokenize=False, add_generation_prompt=True
        )
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == tokens, turn.turn_id


async def _tokenized(url: str, turns: list[Turn], config: RunConfig) -> list[list[int]]:
    async with aiohttp.ClientSession() as session:
        tokens = []
        for turn in turns:
            body = {"model": config.name, "messages": turn.messages, "tools": turn.tools, "add_generation_prompt": True}
            async with session.post(f"{url}/tokenize", json=body) as answer:
                assert answer.status == 200, await answer.text()
                tokens.append((await answer.json())["tokens"])
        return tokens
