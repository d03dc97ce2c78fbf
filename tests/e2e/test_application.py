"""What an application is told to send is answered by the real server: snippets, and the application of examples/."""

import json
import subprocess
import sys

import httpx2
import pytest
from conftest import ROOT, Deployment, run_verb
from example_app import example_app

pytestmark = pytest.mark.e2e
ASKED = {"role": "user", "content": "Do you have an Octavia with an automatic?"}


@pytest.mark.parametrize("language", ["curl", "python"])
def test_a_printed_request_is_answered(deployment: Deployment, language: str) -> None:
    config = deployment.configs["car_sales"]
    words = ("--config", config, "--endpoint", deployment.url, "--as", language, "--ask", ASKED["content"])
    printed = run_verb("serve", "snippet", *words).stdout
    interpreter = ["sh"] if language == "curl" else [sys.executable, "-"]
    done = subprocess.run(interpreter, input=printed, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    message = answer["choices"][0]["message"] if language == "curl" else answer
    assert message["role"] == "assistant"
    assert message.get("tool_calls") or message["content"]


def test_the_example_application_talks_through_calls_and_results(deployment: Deployment) -> None:
    with example_app(deployment.configs["car_sales"], deployment.url) as url:
        answer = httpx2.post(f"{url}/chat", json={"messages": [ASKED]}, timeout=200)
    assert answer.status_code in (200, 502), answer.text  # so small a model may call until it is stopped
    if answer.status_code == 200:
        assert answer.json()["messages"][-1]["role"] == "assistant"
