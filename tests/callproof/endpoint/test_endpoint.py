"""The client of an OpenAI-compatible endpoint, against a real local server with scripted answers and faults."""

import asyncio
import contextlib
import email.utils
import json
import time
from typing import Any, Literal

import pytest
from fake_endpoint import FakeEndpoint, Script
from hypothesis import given
from hypothesis import strategies as st
from programs import run_program
from raw_server import server

from callproof.calls import Completion, NoCompletion, StreamedCompletion
from callproof.endpoint import Endpoint, Reply, api_key_from, request, require_models, without_credentials
from callproof.errors import UserError
from callproof.scoring import Channel
from callproof.turns import CallFormat, Turn

TOOL = {"type": "function", "function": {"name": "now", "description": None, "parameters": None}}
TURN = Turn(
    turn_id="s/1", session_id="s", position=1, messages=({"role": "user", "content": "Hi"},), tools=(TOOL,), gold=()
)
CALL = {"id": "call_0", "type": "function", "function": {"name": "now", "arguments": '{"zone": "CET"}'}}


def ask(fake: FakeEndpoint | str, stream: bool = False, **options: Any) -> Reply:
    async def once() -> Reply:
        async with Endpoint(fake if isinstance(fake, str) else fake.url, **options) as endpoint:
            payload = request(TURN, "tiny", max_tokens=8, temperature=0.0, stream=stream)
            return await (endpoint.stream(payload) if stream else endpoint.chat(payload))

    return asyncio.run(once())


def check_models(url: str, names: list[str], **options: Any) -> None:
    async def once() -> None:
        async with Endpoint(url, **options) as endpoint:
            await require_models(endpoint, names)

    asyncio.run(once())


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_base_url_is_taken_with_and_without_v1(suffix: str) -> None:
    with FakeEndpoint("Hello.") as fake:
        assert ask(fake.url + suffix).answer.text == "Hello."


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://host", "http://", "", "http://[half", "http://h:99999", "http://me:s3cret@"]
)
def test_a_base_url_that_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="no http URL") as error:
        Endpoint(url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_keeps_text_finish_reason_usage_and_tool_calls(stream: bool) -> None:
    with FakeEndpoint(Script("I look it  up.\n", tool_calls=(CALL,), finish_reason="tool_calls")) as fake:
        answer = ask(fake, stream).answer
    assert (answer.text, answer.finish_reason, answer.error) == ("I look it  up.\n", "tool_calls", None)
    assert answer.tool_calls == (CALL,)
    assert answer.usage is not None
    assert answer.usage["completion_tokens"] == 4


def test_streamed_tool_call_arguments_are_joined_across_deltas() -> None:
    streamed = StreamedCompletion()
    for function in ({"name": "now", "arguments": ""}, {"arguments": '{"zo'}, {"arguments": 'ne": 1}'}):
        delta = {"tool_calls": [{"index": 1, "id": "b", "function": function}]}
        assert streamed.add(json.dumps({"choices": [{"delta": delta}]}).encode())
    streamed.add(b"[DONE]")
    calls = streamed.completion().tool_calls
    assert calls is not None
    assert calls[0]["function"] == {"name": "now", "arguments": '{"zone": 1}'}


PASSING = {
    "drop": Script(drop=True),
    "half a body": Script("Hello you.", drop_after=1),
    "no HTTP": Script(garbage=b"\x00\xff not HTTP\r\n\r\n"),
    "503": Script(status=503),
    "429": Script(status=429),
}
LASTING = {
    "no JSON": Script(body=b"<html>busy</html>"),
    "no choices": Script(body=b'{"choices": []}'),
    "no object": Script(body=b"[]"),
    "choice without message": Script(body=b'{"choices": [{}]}'),
    "content no text": Script(body=b'{"choices": [{"message": {"content": 5}}]}'),
    "tool calls no list": Script(body=b'{"choices": [{"message": {"content": "x", "tool_calls": "y"}}]}'),
    "empty": Script(body=b""),
    "not UTF-8": Script(body=b'"\xff"'),
    "400": Script(status=400),
    "401": Script(status=401),
    "404": Script(status=404),
    "422": Script(status=422),
}
SSE = {
    name: Script(body=b"data: " + LASTING[name].body + b"\n\ndata: [DONE]\n\n")
    for name in LASTING
    if LASTING[name].body
}


def replies(scripts: dict[str, Script], stream: bool) -> dict[str, Reply]:
    """What one attempt brings of each script."""

    async def all_of_them(url: str) -> list[Reply]:
        async with Endpoint(url) as endpoint:
            payload = request(TURN, "tiny", max_tokens=8, temperature=0.0, stream=stream)
            return [await (endpoint.stream if stream else endpoint.chat)(payload) for _ in scripts]

    with FakeEndpoint(faults=scripts.values()) as fake:
        return dict(zip(scripts, asyncio.run(all_of_them(fake.url)), strict=True))


@pytest.mark.parametrize("stream", [False, True])
def test_what_may_pass_may_be_tried_again_and_is_no_answer(stream: bool) -> None:
    for name, reply in replies(PASSING, stream).items():
        assert (reply.again, reply.answer.text, bool(reply.answer.error)) == (True, "", True), name


@pytest.mark.parametrize(("scripts", "stream"), [(LASTING, False), (SSE, True)])
def test_what_will_not_pass_is_no_answer_and_is_not_tried_again(scripts: dict[str, Script], stream: bool) -> None:
    for name, reply in replies(scripts, stream).items():
        assert (reply.again, reply.answer.text, bool(reply.answer.error)) == (False, "", True), name


def test_a_refused_request_keeps_what_the_server_says() -> None:
    with FakeEndpoint(Script(status=400, body=b'{"error": "no"}')) as fake:
        reply = ask(fake)
    assert (reply.status, reply.answer.error) == (400, 'HTTP 400: {"error": "no"}')


def test_a_bad_answer_is_data_and_is_not_tried_again() -> None:
    with FakeEndpoint(Script("<tool_call>{", finish_reason="length")) as fake:
        reply = ask(fake)
    assert (reply.again, reply.answer.text, reply.answer.error) == (False, "<tool_call>{", None)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_hangs_times_out(stream: bool) -> None:
    with FakeEndpoint(faults=[Script(hang=True)]) as fake:
        reply = ask(fake, stream, timeout_s=0.2)
    assert (reply.answer.error, reply.again) == ("timed out", True)
    assert 0.15 < reply.finished - reply.sent < 2


def test_a_dead_endpoint_gives_a_reply_too() -> None:
    reply = ask("http://127.0.0.1:9")
    assert (reply.status, reply.again) == (None, True)
    assert "Connect" in (reply.answer.error or "")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("1.5", 1.5, 1.5),
        ("-3", 0, 0),
        ("soon", 0, 0),
        ("99999", 30, 30),
        ("nan", 0, 0),
    ],
)
def test_the_pause_that_the_server_asks_for_is_told_within_reason(value: str, low: float, high: float) -> None:
    with FakeEndpoint(Script(status=429, headers={"Retry-After": value})) as fake:
        assert low <= ask(fake).pause_s <= high


@pytest.mark.parametrize(("offset", "low", "high"), [(25, 5, 25), (-25, 0, 0), (9999, 30, 30)])
def test_the_pause_may_be_told_as_a_date(offset: float, low: float, high: float) -> None:
    date = email.utils.formatdate(time.time() + offset, usegmt=True)
    with FakeEndpoint(Script(status=429, headers={"Retry-After": date})) as fake:
        assert low <= ask(fake).pause_s <= high


def test_each_event_with_a_choice_has_its_time_and_the_usage_event_has_none() -> None:
    script = Script(chunks=("a", "b", "c"), first_delay_s=0.1, chunk_delay_s=0.1)
    with FakeEndpoint(script) as fake:
        reply = ask(fake, stream=True)
    times = [moment - reply.sent for moment in reply.chunk_times]
    assert len(times) == 4
    assert all(at >= expected for at, expected in zip(times, (0.1, 0.2, 0.3, 0.4), strict=True))
    assert times[-1] < 1.2
    assert reply.answer.text == "abc"
    assert reply.answer.usage is not None


def test_line_separators_inside_a_streamed_text_do_not_break_it() -> None:
    text = "a\u2028b\u0085c\r\nd"
    with FakeEndpoint(Script(chunks=(text,))) as fake:
        assert ask(fake, stream=True).answer.text == text


def test_a_streamed_event_larger_than_a_network_read_arrives_whole() -> None:
    with FakeEndpoint(Script(chunks=("x" * 1_000_000,))) as fake:
        assert len(ask(fake, stream=True).answer.text) == 1_000_000


def test_an_error_inside_a_stream_is_no_answer() -> None:
    event = b'data: {"error": {"message": "engine died", "code": 500}}\n\ndata: [DONE]\n\n'
    with FakeEndpoint(faults=[Script(body=event)]) as fake:
        reply = ask(fake, stream=True)
    assert "engine died" in (reply.answer.error or "")
    assert (reply.answer.text, reply.again) == ("", True)


def test_a_lone_surrogate_cannot_reach_a_file() -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud800b\\ud83d\\ude00"}}]}'
    with FakeEndpoint(Script(body=body)) as fake:
        assert ask(fake).answer.text == "a\ufffdb😀"


def test_no_more_requests_than_the_limit_are_in_flight() -> None:
    async def many(url: str) -> list[Reply]:
        async with Endpoint(url, limit=3) as endpoint:
            payload = request(TURN, "tiny", max_tokens=8, temperature=0.0)
            return await asyncio.gather(*(endpoint.chat(payload) for _ in range(12)))

    with FakeEndpoint(Script("x", first_delay_s=0.3)) as fake:
        replies = asyncio.run(many(fake.url))
    assert fake.most_in_flight == 3
    assert max(reply.finished - reply.sent for reply in replies) < 0.9  # the last one waits that long for its slot


def test_the_api_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    with FakeEndpoint("Hello.", api_key="secret") as fake:
        assert ask(fake).answer.text == "Hello."
        assert "HTTP 401" in (ask(fake, api_key="wrong").answer.error or "")


def test_a_server_that_echoes_the_key_does_not_get_it_into_the_answer() -> None:
    with FakeEndpoint(Script(status=400, body=b"headers: Authorization: Bearer k3y"), api_key="k3y") as fake:
        assert ask(fake, api_key="k3y").answer.error == "HTTP 400: headers: Authorization: Bearer ***"


def test_credentials_in_the_url_are_sent_in_place_of_the_key_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with FakeEndpoint("Hello.") as fake:
        url = fake.url.replace("http://", "http://me:p%40ss@")
        assert ask(url).answer.text == "Hello."
        assert fake.authorizations == {"Basic bWU6cEBzcw=="}
        with pytest.raises(UserError) as error:
            check_models(url, ["other"])
    assert "p%40ss" not in str(error.value)


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_a_user_error_that_does_not_show_it(key: str) -> None:
    with pytest.raises(UserError, match="the API key: holds characters") as error:
        Endpoint("http://127.0.0.1:9", api_key=key)
    assert key not in str(error.value)


def test_the_variable_that_holds_the_key_can_be_named_and_must_then_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    with pytest.raises(UserError, match=r"TEAM_KEY: is not set"):
        api_key_from("TEAM_KEY")
    monkeypatch.setenv("TEAM_KEY", " k3y\n")
    assert (api_key_from("TEAM_KEY"), api_key_from()) == ("k3y", "other")


@pytest.mark.parametrize("template", ["with tools", None])
def test_what_a_server_does_not_have_is_an_empty_object(template: Literal["with tools"] | None) -> None:
    async def probe(url: str) -> dict[str, Any]:
        async with Endpoint(url) as endpoint:
            return await endpoint.probe("/tokenize", {"messages": []})

    with FakeEndpoint(template=template) as fake:
        assert bool(asyncio.run(probe(fake.url))) == (template is not None)
    assert asyncio.run(probe("http://127.0.0.1:9")) == {}


def test_the_payload_shows_the_tools_and_asks_for_raw_text() -> None:
    payload = request(TURN, "tiny", max_tokens=8, temperature=0.0)
    assert payload == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [TOOL],
        "tool_choice": "none",
        "max_tokens": 8,
        "temperature": 0.0,
        "seed": 0,
        "skip_special_tokens": False,
    }


def test_only_a_raw_text_whose_tags_may_be_special_tokens_asks_for_them() -> None:
    settings = {"max_tokens": 8, "temperature": 0.0}
    for special in (True, False):
        written = CallFormat("hermes", special_tags=special)
        raw = request(TURN, "tiny", **settings, format=written)
        assert raw.get("skip_special_tokens") == (False if special else None)
        assert "skip_special_tokens" not in request(TURN, "tiny", **settings, format=written, channel="served")


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_refuses_the_key_is_asked_without_it_and_that_is_said(
    status: int, stream: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def strict(payload: dict[str, Any]) -> str | Script:
        refusal = b'{"error": {"message": "Unrecognized request argument supplied: skip_special_tokens"}}'
        return Script(status=status, body=refusal) if "skip_special_tokens" in payload else "Hello."

    async def twice(url: str) -> tuple[list[Reply], list[str]]:
        async with Endpoint(url) as endpoint:
            payload = request(TURN, "tiny", max_tokens=8, temperature=0.0, stream=stream)
            ask = endpoint.stream if stream else endpoint.chat
            return [await ask(payload), await ask(payload)], endpoint.warnings

    with FakeEndpoint(strict) as fake:
        replies, warnings = asyncio.run(twice(fake.url))
        assert [reply.answer.text for reply in replies] == ["Hello.", "Hello."]
        assert ["skip_special_tokens" in payload for payload in fake.requests] == [True, False, False]
        (warning,) = warnings
        assert "refuses skip_special_tokens, so it is left out" in warning
        assert capsys.readouterr().err.count(fake.url) == 1


def test_a_stream_is_over_before_the_text_of_its_tokens_is_asked_for() -> None:
    async def bench(url: str) -> tuple[Reply, Reply]:
        async with Endpoint(url, limit=1) as endpoint:
            payload = {**request(TURN, "tiny", max_tokens=8, temperature=0.0, stream=True), "return_token_ids": True}
            reply = await endpoint.stream_only(payload)
            return reply, await endpoint.written(reply, "tiny")

    with FakeEndpoint(Script("", raw="Well.")) as fake:
        reply, written = asyncio.run(bench(fake.url))
    assert (reply.answer.text, reply.tokens, reply.from_tokens) == ("", tuple(b"Well."), False)
    assert (written.answer.text, written.tokens, written.from_tokens) == ("Well.", None, True)
    assert (written.finished, written.answer.latency_s) == (reply.finished, reply.answer.latency_s)


def test_a_server_that_knows_the_limit_by_its_newer_name_gets_it_so() -> None:
    def newer(payload: dict[str, Any]) -> str | Script:
        message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        refusal = Script(status=400, body=json.dumps({"error": {"message": message}}).encode())
        return refusal if "max_tokens" in payload else f"{payload['max_completion_tokens']} tokens"

    with FakeEndpoint(newer) as fake:
        assert ask(fake).answer.text.endswith(" tokens")


def test_another_refusal_is_not_asked_again() -> None:
    with FakeEndpoint(Script(status=400, body=b'{"error": "max_tokens is too large"}')) as fake:
        assert ask(fake).answer.error is not None
        assert len(fake.requests) == 1


def test_the_served_channel_asks_for_the_calls_of_the_server() -> None:
    payload = request(TURN, "tiny", max_tokens=8, temperature=0.5, seed=3, channel="served")
    assert (payload["tool_choice"], payload["seed"], payload["tools"]) == ("auto", 3, [TOOL])


@pytest.mark.parametrize("channel", ["raw", "served"])
def test_the_openai_client_sends_the_same_and_reads_the_same(channel: Channel) -> None:
    import openai

    script = Script("I look it up.", tool_calls=(CALL,), finish_reason="tool_calls")
    payload = request(TURN, "tiny", max_tokens=8, temperature=0.0, channel=channel)

    async def ours(url: str) -> Reply:
        async with Endpoint(url) as endpoint:
            return await endpoint.chat(payload)

    beyond = {key: value for key, value in payload.items() if key == "skip_special_tokens"}
    known = {key: value for key, value in payload.items() if key not in beyond}
    with FakeEndpoint(script) as fake:
        answer = asyncio.run(ours(fake.url)).answer
        with openai.OpenAI(base_url=f"{fake.url}/v1", api_key="none") as client:
            choice = client.chat.completions.create(**known, extra_body=beyond).choices[0]
    assert fake.requests[0] == fake.requests[1]
    assert (answer.text, answer.finish_reason) == (choice.message.content, choice.finish_reason)
    assert answer.tool_calls == tuple(call.model_dump() for call in choice.message.tool_calls or ())


def test_a_turn_without_tools_sends_no_tools_key() -> None:
    payload = request(TURN.model_copy(update={"tools": None}), "tiny", max_tokens=8, temperature=0.0, stream=True)
    assert not {"tools", "tool_choice"} & set(payload)
    assert payload["stream_options"] == {"include_usage": True}


def test_served_models_pass_the_check_and_an_unknown_one_is_named_with_those_served() -> None:
    with FakeEndpoint(models=["tiny", "car_sales"]) as fake:
        check_models(fake.url, ["tiny", "car_sales"])
        with pytest.raises(UserError, match=r"--model car: is not served .* tiny, car_sales"):
            check_models(fake.url, ["tiny", "car"])


def test_an_endpoint_that_is_down_is_a_user_error_with_the_mend() -> None:
    with pytest.raises(UserError, match=r"127.0.0.1:9/v1/models: no endpoint answers .*callproof serve"):
        check_models("http://127.0.0.1:9", ["tiny"])


def test_a_refused_api_key_is_a_user_error() -> None:
    with FakeEndpoint(api_key="secret") as fake, pytest.raises(UserError, match="CALLPROOF_API_KEY"):
        check_models(fake.url, ["tiny"], api_key="wrong")


def test_a_server_that_is_no_endpoint_is_a_user_error() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"
    serving = server(lambda client, _: client.sendall(page))
    with serving as (url, _), pytest.raises(UserError, match="no OpenAI-compatible endpoint"):
        check_models(url, ["tiny"])


def test_a_server_that_lists_no_models_gets_the_names_that_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint() as fake:
        check_models(fake.url + "/elsewhere", ["tiny"])
    assert "lists no models (HTTP 404), so names are taken as they are given" in capsys.readouterr().err


KEYS = ["choices", "message", "delta", "content", "tool_calls", "usage", "index", "function", "finish_reason", "error"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(KEYS), values, max_size=5),
)


@given(st.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_the_reader_raise_anything_but_no_completion(body: bytes) -> None:
    for read in (Completion.of_body, StreamedCompletion().add):
        with contextlib.suppress(NoCompletion):
            read(body)


@pytest.mark.parametrize(
    "url", ["http://h/v1?api_key=s3cret", "http://h?a=1&s3cret", "h:1/v1?api_key=s3cret", "http://h#s3cret"]
)
def test_a_key_in_the_query_is_refused_and_not_shown(url: str) -> None:
    done = run_program("evaluate", "--endpoint", url, "--config", "configs/car_sales.yaml", "--model", "x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "s3cret" not in done.stdout + done.stderr
    assert "s3cret" not in without_credentials(url.replace("h:1", "http://h:1"))
