"""Raw answers are what the model wrote, also where the server's parser takes calls out of the text."""

import json
from typing import Any

import pytest
from aiohttp import web
from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from weather import Domain
from weather import right as right_as_hermes

from callproof.calls import ToolCall, parse, render
from callproof.endpoint import TAKEN_OUT
from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]


@pytest.fixture
def domain(make_domain: Any) -> Domain:
    """Its calls are written in a format that vLLM takes out of raw texts."""
    return make_domain("qwen", serve={"tool_call_parser": "qwen3_xml"})


def right(payload: dict[str, Any]) -> str:
    text = right_as_hermes(payload)
    calls = [call for call in parse(text) if isinstance(call, ToolCall)]
    return render(calls, "qwen3_xml") if calls else text


def replay(domain: Domain, url: str, *words: str) -> int:
    return main(["--endpoint", url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r", *words])


def emptied(payload: dict[str, Any]) -> Script:
    """An engine of vLLM: with token ids the whole answer, without them nothing of a call."""
    written = right(payload)
    return Script("" if "<tool_call>" in written else written, raw=written)


def test_calls_that_the_server_takes_out_of_the_text_are_scored(domain, capsys):
    with FakeEndpoint(emptied) as fake:
        assert replay(domain, fake.url) == 0
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"][0]["models"]["tiny"]
    assert (metrics["turn_exact"], metrics["name_f1"]) == (1.0, 1.0)
    info = Run(domain.runs / "r").info()
    assert (info.identity.raw_text, info.warnings) == ("tokens", ())


def test_thinking_that_the_server_took_out_is_read_from_the_text_again(domain):
    def thinking(payload: dict[str, Any]) -> Script:
        message = {"role": "assistant", "content": right(payload), "reasoning": "hm"}
        tokens = [*f"<think>hm</think>{right(payload)}".encode(), 0]
        choice = {"index": 0, "message": message, "finish_reason": "stop", "token_ids": tokens}
        return Script(body=json.dumps({"choices": [choice]}).encode())

    with FakeEndpoint(thinking) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "1") == 0
    for outcome in outcomes_of(Run(domain.runs / "r")):
        assert outcome.outcome == "ok"
        assert (outcome.answer.text[:7], outcome.answer.thinking) == ("<think>", "")


def test_a_run_over_tokens_is_not_compared_with_one_over_what_a_server_left(domain):
    infos = {}
    for name, template in (("whole", "with tools"), ("left", None)):
        with FakeEndpoint(right, template=template) as fake:
            assert replay(domain, fake.url, "--run-id", name) == 0
        infos[name] = Run(domain.runs / name).info().identity
    assert infos["whole"].differences(infos["left"]) == ["raw_text: tokens against content"]


def test_answers_without_token_ids_are_warned_of(domain, capsys):
    with FakeEndpoint(lambda payload: Script(right(payload), logprob=None)) as fake:
        assert replay(domain, fake.url) == 0
    [warning] = Run(domain.runs / "r").info().warnings
    assert "answers without token ids" in warning
    assert capsys.readouterr().err.count(warning) == 1


class Bare(FakeEndpoint):
    """A vLLM that shows nothing but the API of OpenAI."""

    async def _list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny", "owned_by": "vllm"}]})


@pytest.mark.parametrize("parser", ["qwen3_coder", "gemma4"])
def test_raw_is_refused_where_it_cannot_be_had(make_domain, refused, parser):
    domain = make_domain(parser, sessions=2, serve={"tool_call_parser": parser})
    with Bare("Hello.", template=None) as fake:
        line = refused("--endpoint", fake.url, "--config", domain.config, "--model", "tiny", "--channel", "raw")
        assert "takes calls out of the raw text" in line
        assert line.endswith("use --channel served")
        assert replay(domain, fake.url, "--channel", "served") == 0
        domain = make_domain("hermes", sessions=2)
        assert replay(domain, fake.url, "--run-id", "h") == 0
    assert {"gemma4", "qwen3_xml"} < TAKEN_OUT


def test_a_server_that_knows_no_token_ids_is_asked_without_them(domain):
    def strict(payload: dict[str, Any]) -> Script | str:
        body = b'{"error": {"message": "Unrecognized request argument supplied: return_token_ids"}}'
        return Script(status=400, body=body) if "return_token_ids" in payload else right(payload)

    with FakeEndpoint(strict) as fake:
        assert replay(domain, fake.url, "--concurrency", "1") == 0
    assert sum("return_token_ids" in payload for payload in fake.requests) == 1
