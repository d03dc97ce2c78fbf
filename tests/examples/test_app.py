"""The application of examples/ sends what training showed, runs the tools and answers."""

from typing import Any

import httpx2
from example_app import example_app
from fake_endpoint import FakeEndpoint, Script
from programs import ROOT

from callproof.config import load
from callproof.prompt import messages

CONFIG = ROOT / "configs" / "car_sales.yaml"
CALL = {"id": "x1", "type": "function", "function": {"name": "search_vehicles", "arguments": '{"body": "van"}'}}
BEGUN = "2026-05-04T10:30:00+02:00"
ASKED = {"role": "user", "content": "Any van?"}


def answer(payload: dict[str, Any]) -> Script:
    if payload["messages"][-1]["role"] == "tool":
        return Script(text="None at the moment.")
    return Script(text="", tool_calls=(CALL,), finish_reason="tool_calls")


def test_a_call_is_run_its_result_goes_back_and_the_answer_comes_with_the_conversation() -> None:
    with FakeEndpoint(answer, models=["car_sales"]) as server, example_app(CONFIG, server.url) as url:
        talk = httpx2.post(f"{url}/chat", json={"messages": [ASKED], "begun": BEGUN}, timeout=30).json()
        bad = httpx2.post(f"{url}/chat", json={"messages": [{"role": "user"}]}, timeout=30)
    assert [message["role"] for message in talk["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert talk["messages"][-1]["content"] == "None at the moment."
    first, second = server.requests
    assert first["messages"] == messages(load(CONFIG), [ASKED], at=BEGUN)
    assert first["messages"][0]["content"].count("Current DateTime (Europe/Zurich): Monday, 2026-05-04 10:30") == 1
    assert (first["tool_choice"], len(first["tools"])) == ("auto", 9)
    assert second["messages"] == messages(load(CONFIG), talk["messages"][:3], at=BEGUN)
    assert (bad.status_code, bad.json()["detail"]) == (
        422, "messages: messages.0.content: expected text, got nothing; see docs/reference/data.md for the forms",
    )  # fmt: skip
