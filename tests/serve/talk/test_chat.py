"""`serve chat` against a real HTTP endpoint: what is asked, what is shown, what is kept."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_endpoint import FakeEndpoint, Script
from programs import run_program

from callproof.calls import render
from callproof.config import RunConfig, load
from callproof.endpoint import request
from callproof.sessions import read_sessions
from callproof.turns import Domain, eval_turns, split_sessions
from serve.talk import Chat, Sampling

ROOT = Path(__file__).resolve().parents[3]
SEARCH = '<tool_call>\n{"name": "search_vehicles", "arguments": {"max_price": 25000}}\n</tool_call>'
BOTH = SEARCH + '\n<tool_call>\n{"name": "list_branches", "arguments": {}}\n</tool_call>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = {
        "name": "cars",
        "data": {"domain": str(ROOT / "datasets/car_sales")},
        "serve": {"tool_call_parser": "hermes"},
        "eval": {"max_tokens": 99},
    }
    (tmp_path / "cars.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


@pytest.fixture
def config(folder: Path) -> RunConfig:
    return load(folder / "cars.yaml")


def command(fake: FakeEndpoint, *words: str) -> list[str]:
    return ["serve", "chat", "--endpoint", fake.url, "--config", "cars.yaml", *words]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@dataclass
class Talked:
    """A chat that has ended: `result` is its last line."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        assert self.stdout.count("\n") == 1, self.stdout
        return json.loads(self.stdout)


def talk(folder: Path, fake: FakeEndpoint, *lines: str, words: tuple[str, ...] = (), **more: str) -> Talked:
    typed = "".join(f"{line}\n" for line in lines)
    done = run_program(*command(fake, *words), cwd=folder, said=typed, timeout=120, **more)
    assert "Traceback" not in done.stderr, done.stderr
    return Talked(done.returncode, done.stdout, done.stderr)


def greet(folder: Path, fake: FakeEndpoint) -> subprocess.Popen[bytes]:
    """A running chat to which one line was said."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-m", *command(fake)]
    process = subprocess.Popen(words, cwd=folder, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    process.stdin.write(b"Hello\n")
    process.stdin.flush()
    return process


def read_until(process: subprocess.Popen[bytes], enough: Callable[[bytes], bool]) -> bytes:
    assert process.stderr is not None
    output, deadline = b"", time.monotonic() + 60
    while not enough(output):
        assert time.monotonic() < deadline, output
        if select.select([process.stderr], [], [], 0.2)[0]:
            output += os.read(process.stderr.fileno(), 4096)
    return output


def in_turn(*answers: str | Script) -> Callable[[dict[str, Any]], str | Script]:
    waiting = iter(answers)
    return lambda _: next(waiting)


def test_the_requests_of_a_recorded_session_are_evaluates_own(config: RunConfig) -> None:
    """Every eval turn of some sessions, its conversation typed in and its recorded answers given by the model."""
    turns = {turn.turn_id: turn for turn in eval_turns(config)}
    asked = 0
    for (_, session), _ in zip(split_sessions(config, "eval"), range(12), strict=False):
        chat = Chat(config, session.session_id)
        for position, message in enumerate(session.messages):
            if message.role == "user":
                chat.say(message.content)
            elif message.role == "tool":
                chat.result(message.content)
            else:
                payload = chat.request("cars", Sampling(99, 0.0))
                if turn := turns.get(f"{session.session_id}/{position}"):
                    wanted = request(turn, "cars", max_tokens=99, temperature=0.0, stream=True, format=chat.format)
                    assert json.dumps(payload) == json.dumps(wanted)
                    asked += 1
                chat.answer("\n".join(filter(None, (message.content, render(message.tool_calls)))), "stop")
    assert asked > 20


def test_an_answer_is_read_and_kept_in_the_format_that_the_model_writes(config: RunConfig) -> None:
    serve = config.serve.model_copy(update={"tool_call_parser": "qwen3_xml"})
    chat = Chat(config.model_copy(update={"serve": serve}), "s")
    chat.say("Cars?")
    assert "skip_special_tokens" not in chat.request("cars", Sampling(9, 0.0))  # models/tiny marks no tag special
    text = (
        "<tool_call>\n<function=search_vehicles>\n<parameter=max_price>\n25000\n</parameter>\n</function>\n</tool_call>"
    )
    (call,) = chat.answer(f"One moment.\n{text}", "stop").calls
    assert (call.verdict, json.loads(call.text)) == ("valid", {"max_price": 25000})
    assert chat.messages[-1].content == "One moment."
    assert chat.messages[-1].tool_calls[0].arguments == {"max_price": 25000}


def test_calls_form_piece_by_piece_and_are_judged_when_they_are_complete(folder: Path) -> None:
    pieces = (
        "A mo",
        "ment.\n<tool",
        '_call>\n{"name": "search_',
        'vehicles", "argum',
        'ents": {"max_price": "2',
        '5"}}\n</to',
        "ol_call>",
    )
    with FakeEndpoint(Script(chunks=pieces), models=["cars"]) as fake:
        done = talk(folder, fake, "Any below 25?", "")
    assert done.code == 0, done.stderr
    assert 'A moment.\ncalls search_vehicles {"max_price": "25"' in done.stderr
    assert "call search_vehicles: invalid: max_price: '25' is not of type 'integer'\n  {\n" in done.stderr
    assert done.result == {"model": "cars", "messages": 2, "calls": 1, "invalid": 1, "saved": None}


def test_what_streams_is_shown_before_the_answer_ends(folder: Path) -> None:
    script = Script(chunks=("The first words", " and", " then", " the", " last."), chunk_delay_s=2)
    with FakeEndpoint(script, models=["cars"]) as fake:
        process = greet(folder, fake)
        shown = read_until(process, lambda shown: b"The first words" in shown)
        assert b"last" not in shown
        assert fake.in_flight == 1
        _, rest = process.communicate(timeout=120)
    assert b"last." in rest


def test_the_request_is_the_raw_channels_and_options_override_the_configuration(
    folder: Path, config: RunConfig
) -> None:
    (folder / "s.md").write_text("Be brief.\n\n## B\n- two\n- one\n")
    with FakeEndpoint(models=["cars", "tiny"]) as fake:
        talk(folder, fake, "Hello", words=("--session-id", "s-1"))
        words = ("--system", "s.md", "--model", "tiny", "--max-tokens", "5", "--temperature", "0.5")
        talk(folder, fake, "Hello", words=words)
    chat = Chat(config, "s-1")
    chat.say("Hello")
    asked = {key: value for key, value in fake.requests[0].items() if key != "skip_special_tokens"}
    assert asked == chat.request("cars", Sampling(99, 0.0))  # the folder lacks the base, which marks no tag special
    assert fake.requests[0]["tool_choice"] == "none"
    told = {key: fake.requests[1][key] for key in ("model", "max_tokens", "temperature")}
    assert told == {"model": "tiny", "max_tokens": 5, "temperature": 0.5}
    assert fake.requests[1]["messages"][0]["content"] == "Be brief.\n\n## B\n- two\n- one\n"


ELSEWHERE = ("model.base_model=owner/base", "serve.tool_call_parser=hermes")
"""A base whose tokenizer is not on this machine, so that nobody knows which tags are special."""


def test_keys_that_only_vllm_knows_reach_it_through_the_openai_client(folder: Path) -> None:
    with FakeEndpoint("Hi.", models=["cars"]) as fake:
        words = (*ELSEWHERE, "prompt.template_kwargs={enable_thinking: false}")
        done = talk(folder, fake, "Hello", words=words)
    assert done.code == 0
    assert fake.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert fake.requests[0]["skip_special_tokens"] is False


def test_a_server_that_refuses_a_key_of_vllm_is_asked_without_it(folder: Path) -> None:
    def strict(payload: dict[str, Any]) -> str | Script:
        refusal = b'{"error": {"message": "Unrecognized request argument supplied: skip_special_tokens"}}'
        return Script(status=400, body=refusal) if "skip_special_tokens" in payload else "Hi there."

    with FakeEndpoint(strict, models=["cars"]) as fake:
        done = talk(folder, fake, "Hello", "Again", words=ELSEWHERE)
    assert done.code == 0
    assert "Hi there." in done.stdout + done.stderr
    assert ["skip_special_tokens" in payload for payload in fake.requests] == [True, False, False]


def test_another_model_goes_on_with_the_same_conversation(folder: Path) -> None:
    with FakeEndpoint(lambda payload: f"I am {payload['model']}.", models=["tiny", "cars"]) as fake:
        done = talk(folder, fake, "Hello", "/model tinny", "/model tiny", "Again", "/model cars", "/retry")
    assert [request["model"] for request in fake.requests] == ["cars", "tiny", "cars"]
    assert "did you mean 'tiny'?" in done.stderr
    assert [message["content"] for message in fake.requests[1]["messages"][1:]] == ["Hello", "I am cars.", "Again"]
    assert fake.requests[2]["messages"] == fake.requests[1]["messages"]
    assert done.result["model"] == "cars"


def test_results_are_pasted_for_each_call_and_one_may_be_skipped(folder: Path) -> None:
    with FakeEndpoint(in_turn(BOTH, "Two found.", "Bern."), models=["cars"]) as fake:
        lines = (
            "Any cars?",
            '{"vehicles": [',
            '  {"id": "V-1", "model": "Škoda"}',
            "]}",
            "",
            '/result {"branches": []}',
        )
        done = talk(folder, fake, *lines, "/save chats.jsonl")
    assert done.code == 0, done.stderr
    call, *results = fake.requests[1]["messages"][2:]
    assert [item["function"]["name"] for item in call["tool_calls"]] == ["search_vehicles", "list_branches"]
    content = '{"vehicles": [{"id": "V-1", "model": "Škoda"}]}'
    assert results == [{"role": "tool", "content": content, "tool_call_id": "call00000"}]
    assert "result of list_branches> " in done.stderr


def test_a_skipped_call_can_be_answered_before_the_next_message(config: RunConfig) -> None:
    chat = Chat(config, "s-1")
    chat.say("Any cars?")
    chat.answer(BOTH, "stop")
    chat.skip()
    chat.result("second")
    assert chat.wants_answer
    chat.result("first")
    wire = chat.request("cars", Sampling(9, 0.0))["messages"]
    assert [(message["tool_call_id"], message["content"]) for message in wire[3:]] == [
        ("call00001", "second"),
        ("call00000", "first"),
    ]


def test_undo_drops_a_message_and_all_that_followed(folder: Path) -> None:
    with FakeEndpoint(in_turn("Hi.", SEARCH, "Found.", "Bye."), models=["cars"]) as fake:
        done = talk(folder, fake, "Hello", "Any cars?", "{}", "/undo", "Goodbye", "/undo", "/undo", "/undo")
    assert [message["content"] for message in fake.requests[3]["messages"][1:]] == ["Hello", "Hi.", "Goodbye"]
    assert "/undo: the conversation is empty" in done.stderr
    assert done.result == {"model": "cars", "messages": 0, "calls": 0, "invalid": 0, "saved": None}


def test_a_saved_conversation_is_a_session_that_evaluate_would_ask_alike(folder: Path, config: RunConfig) -> None:
    with FakeEndpoint(in_turn("<think>hm</think>Hi.", BOTH, "Found.", "Bye.", "Hi."), models=["cars"]) as fake:
        (folder / "chats.jsonl").write_text('{"session_id": "old", "messages": [{"role": "user", "content": "x"}]}')
        lines = ("Hello", "/save chats.jsonl", "Any cars?", "", "[]", "Thanks", "/save chats.jsonl")
        done = talk(folder, fake, *lines, words=("--session-id", "s-9"))
        again = talk(folder, fake, "/save chats.jsonl", "Hello", "/save x.txt")
    assert done.result["saved"] == "chats.jsonl"
    (_, old), (_, session) = read_sessions(folder / "chats.jsonl")
    assert (old.session_id, session.session_id) == ("old", "s-9")
    assert [
        message.role for message in session.messages
    ] == "user assistant user assistant tool assistant user assistant".split()
    assert session.messages[4].answers == 1
    whole = Domain(config).conversation(session, "chats.jsonl:2")
    assert list(whole.messages[:-1]) == fake.requests[3]["messages"]
    assert "/save: the conversation is empty" in again.stderr
    assert "x.txt: expected a file of sessions" in again.stderr


def test_an_id_is_saved_once_and_a_malformed_call_never(folder: Path) -> None:
    (folder / "chats.jsonl").write_text('{"session_id": "s-9", "messages": [{"role": "user", "content": "x"}]}\n')
    before = (folder / "chats.jsonl").read_bytes()
    with FakeEndpoint(in_turn("Hi.", "<tool_call>{oops</tool_call>"), models=["cars"]) as fake:
        lines = ("Hello", "/save chats.jsonl", "More", "/save new.jsonl")
        done = talk(folder, fake, *lines, words=("--session-id", "s-9"))
    assert "chats.jsonl:1: already holds a session 's-9'" in done.stderr
    assert "a malformed <tool_call> (invalid_json)" in done.stderr
    assert (folder / "chats.jsonl").read_bytes() == before
    assert not (folder / "new.jsonl").exists()
    assert done.result["invalid"] == 1
    assert done.result["saved"] is None


@pytest.mark.parametrize("asking", ["before the first piece", "in mid-answer"])
def test_ctrl_c_stops_an_answer_and_keeps_what_has_come(folder: Path, asking: str) -> None:
    late = asking == "before the first piece"
    slow = Script(chunks=("Some words", *[" x"] * 200), first_delay_s=60 * late, chunk_delay_s=0.5)
    with FakeEndpoint(in_turn(slow, "Well."), models=["cars"]) as fake:
        process = greet(folder, fake)
        read_until(process, lambda shown: bool(fake.requests) if late else b"Some words x" in shown)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(b"Go on\n", timeout=60)
    assert process.returncode == 0, rest
    assert b"stopped; /retry asks again" in rest
    spoken = [message["content"] for message in fake.requests[1]["messages"][1:]]
    assert spoken[0] == "Hello"
    assert spoken[-1] == "Go on"
    assert len(spoken) == (2 if late else 3)
    assert late or spoken[1].startswith("Some words x")
    assert json.loads(out)["messages"] == len(spoken) + 1


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\rgone \u202etxt [red]not markup[/red] :smile:"


def test_nothing_that_a_model_says_commands_the_terminal(folder: Path) -> None:
    """On a real terminal, in text, names, arguments, malformed calls, errors and names of models."""
    call = json.dumps({"name": f"x{HOSTILE}", "arguments": {"\x1b[2J": HOSTILE}}, ensure_ascii=False)
    answers = in_turn(
        HOSTILE, f"<tool_call>{call}</tool_call>", f"<tool_call>{HOSTILE}</tool_call>", f"<think>{HOSTILE}</think>.",
        Script(status=500, body=HOSTILE.encode()),
    )  # fmt: skip
    models = ["cars", f"m{HOSTILE}"]
    with FakeEndpoint(answers, models=models) as fake:
        main, side = pty.openpty()
        terminal = environment(TERM="xterm")
        words = [sys.executable, "-m", *command(fake)]
        process = subprocess.Popen(words, cwd=folder, env=terminal, stdin=side, stdout=side, stderr=side)
        os.close(side)
        seen = _answer_prompts(main, [b"1", b"2", b"", b"3", b"4", b"5", b"/models", b"/quit"])
        process.wait(60)
    for command_of_theirs in (b"\x1b]0;", b"\x07", b"\x1b[2J", "\x9b".encode(), b"\rgone", "\u202e".encode()):
        assert command_of_theirs not in seen
    assert seen.count("␛]0;owned␇␛[2J".encode()) >= 6
    assert seen.count(b"[red]not markup[/red] :smile:") >= 4
    assert process.returncode == 3


def _answer_prompts(terminal: int, lines: list[bytes]) -> bytes:
    """Type a line whenever a prompt stands; what the terminal showed, until it closes."""
    seen, since, deadline = b"", b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                return seen
            seen, since = seen + piece, since + piece
            continue
        if b"> " in since and lines:
            os.write(terminal, lines.pop(0) + b"\n")
            since = b""
    raise AssertionError(seen)


def test_the_key_of_the_environment_is_sent_and_an_echo_of_it_is_not_shown(folder: Path) -> None:
    echo = Script(status=500, body=b'{"error": {"message": "your key is sk-secret-1"}}')
    with FakeEndpoint(in_turn(echo), models=["cars"], api_key="sk-secret-1") as fake:
        refused = talk(folder, fake, "Hello")
        done = talk(folder, fake, "Hello", CALLPROOF_API_KEY="sk-secret-1", HTTP_PROXY="http://127.0.0.1:9")
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert fake.authorizations == {None, "Bearer sk-secret-1"}
    assert "your key is ***" in done.stderr
    assert "sk-secret-1" not in done.stderr
    assert (done.code, done.result["messages"]) == (3, 1)


def events(body: str) -> Script:
    return Script(body=body.encode() + b"\n\n", headers={"Content-Type": "text/event-stream"})


PARSED = {"id": "c", "type": "function", "function": {"name": "x", "arguments": "{oops"}}
BROKEN = {
    "drops": Script("Some words here", drop_after=2),
    "no events": events("data: {oops"),
    "a list": events("data: [1]"),
    "odd choices": events('data: {"choices": 7}'),
    "an error inside": events('data: {"error": {"message": "out"}}'),
    "nothing": Script(drop=True),
    "a parsed call that cannot be read": Script(tool_calls=(PARSED,)),
}


def test_whatever_a_server_does_is_one_line_and_the_chat_goes_on(folder: Path) -> None:
    answers = [answer for script in BROKEN.values() for answer in (script, "Fine.")]
    with FakeEndpoint(in_turn(*answers), models=["cars"]) as fake:
        done = talk(folder, fake, *(f"Line {number}" for number in range(2 * len(BROKEN))))
    assert done.code == 0, done.stderr
    assert done.stderr.count("/retry asks again") == len(BROKEN), done.stderr
    assert done.stderr.count("Fine.") == len(BROKEN)


WRONG = {
    "no such model": (("--model", "carz"), "--model carz: is not served at", 2),
    "no URL": (("--endpoint", "nowhere"), "is no http URL", 2),
    "no endpoint": (("--endpoint", "http://127.0.0.1:9"), "no endpoint answers", 2),
    "no configuration": (("--config", "none.yaml"), "none.yaml: cannot be read", 2),
    "no system prompt": (("--system", "none.md"), "none.md: cannot be read", 2),
    "temperature": (("--temperature", "nan"), "expected a number from 0", 2),
    "session id": (("--session-id", ""), "expected one line of printable text", 2),
}


@pytest.mark.parametrize(("words", "message", "code"), WRONG.values(), ids=WRONG)
def test_wrong_use_of_chat_is_one_line(folder: Path, words: tuple[str, ...], message: str, code: int) -> None:
    with FakeEndpoint(models=["cars"]) as fake:
        done = talk(folder, fake, "Hello", words=words)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert message in done.stderr


def test_wrong_commands_are_one_line_and_input_that_is_no_text_is_taken(folder: Path) -> None:
    lines = ("/modle cars", "/model", "/save", "/save 'x", "/result 1", "/retry", "/help", "")
    with FakeEndpoint(models=["cars"]) as fake:
        done = talk(folder, fake, *lines)
        odd = greet(folder, fake)
        told = odd.communicate(b"caf\xff\n", timeout=60)
    assert done.code == 0
    assert "did you mean /model?" in done.stderr
    assert "/undo " in done.stderr
    assert fake.requests[1]["messages"][-1]["content"] == "caf\N{REPLACEMENT CHARACTER}"
    assert odd.returncode == 0, told
