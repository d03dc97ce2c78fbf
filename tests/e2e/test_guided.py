"""A base that no grammar can guide: what would be guided is refused or unguided, and never a wrong answer."""

import asyncio
from typing import Any

import aiohttp
import pytest
from conftest import Deployment

from callproof.config import load
from callproof.endpoint import request
from callproof.turns import Turn, catalog_of, eval_turns

pytestmark = pytest.mark.e2e


async def _answers(url: str, turns: list[Turn], extra: dict[str, Any]) -> list[tuple[int, list[str]]]:
    """The status and the names of the calls of each answer."""
    answers = []
    async with aiohttp.ClientSession() as session:
        for turn in turns:
            body = {**request(turn, "car_sales", max_tokens=64, temperature=0.0, channel="served"), **extra}
            async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                value = await answer.json()
                calls = value["choices"][0]["message"].get("tool_calls") or [] if answer.status == 200 else []
                answers.append((answer.status, [call["function"]["name"] for call in calls]))
    return answers


def test_forced_calls_are_refused_and_single_ones_are_what_the_model_writes(deployment: Deployment) -> None:
    turns = [turn for turn in eval_turns(load(deployment.configs["car_sales"])) if turn.expects_call][:6]
    required = asyncio.run(_answers(deployment.url, turns[:2], {"tool_choice": "required"}))
    assert required == [(400, [])] * 2
    free = asyncio.run(_answers(deployment.url, turns, {}))
    single = asyncio.run(_answers(deployment.url, turns, {"parallel_tool_calls": False}))
    assert any(names for _, names in free)
    assert [(status, names[:1]) for status, names in free] == single
    assert {name for _, names in single for name in names} & set(catalog_of(turns[0]).by_name)
