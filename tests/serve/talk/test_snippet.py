"""`serve snippet`: what it prints runs, in a shell and in Python, and asks as training showed."""

import os
import subprocess
import sys

import pytest
from fake_endpoint import FakeEndpoint
from programs import ROOT, run_program

from callproof.config import load
from callproof.prompt import messages


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("question", ["Any van below 30'000?", None])
def test_what_is_printed_runs_and_asks_with_prompt_and_tools_as_trained(language: str, question: str | None) -> None:
    with FakeEndpoint("None.", models=["car_sales"]) as server:
        options = ["--config", "configs/car_sales.yaml", "--endpoint", server.url, "--as", language]
        printed = run_program("serve", "snippet", *options, *(["--ask", question] if question else []))
        assert printed.returncode == 0, printed.stderr
        interpreter = ["sh"] if language == "curl" else [sys.executable, "-"]
        environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
        done = subprocess.run(interpreter, input=printed.stdout, capture_output=True, text=True, env=environment)
        assert '"content":"None."' in done.stdout.replace(": ", ":"), done.stderr
        (asked,) = server.requests
    said = question or "Hello everybody. Our family wants a van with an automatic. Anything available?"
    expected = messages(load(ROOT / "configs/car_sales.yaml"), [{"role": "user", "content": said}])
    assert asked["messages"][1:] == expected[1:]
    assert asked["messages"][0]["content"].splitlines()[0] == expected[0]["content"].splitlines()[0]
    assert (asked["model"], len(asked["tools"]), asked["tool_choice"]) == ("car_sales", 9, "auto")


def test_variables_of_the_template_go_where_curl_and_where_openai_put_them() -> None:
    words = ["serve", "snippet", "--config", "configs/car_sales.yaml", "--ask", "Hi", "--endpoint", "http://h/v1/"]
    kwargs = "prompt.template_kwargs={enable_thinking: false}"
    curl, python = (run_program(*words, "--as", language, kwargs).stdout for language in ("curl", "python"))
    assert curl.startswith("curl --silent http://h/v1/chat/completions ")
    assert '\n "chat_template_kwargs": {\n  "enable_thinking": false\n }' in curl
    assert "'extra_body': {'chat_template_kwargs': {'enable_thinking': False}}" in python
