"""The same turns get the same figures from any server that can give them, and one line from one that cannot."""

import json
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from other_servers import OtherServer
from weather import Domain, right

from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

RAW: list[dict[str, Any]] = [
    {},
    {"parses": "never"},
    {"usage": "constant"},
    {"usage": "none", "streams": False},
    {"refuses": ["tool_choice"], "parses": "never"},
    {"refuses": ["seed", "stream_options", "logprobs"]},
    {"refuses": ["seed"], "names": False, "status": 422},
    {"refuses": ["seed", "tool_choice"], "names": False, "parses": "never"},
    {"none": "hides tools", "parses": "never"},
    {"none": "forbids calls", "parses": "never", "usage": "none"},
    {"content": "list"},
    {"lists": 404},
    {"lists": 500},
    {"lists": "empty"},
    {"lists": "bare"},
    {"prefix": "/api"},
]
SERVED: list[dict[str, Any]] = [
    {"parses": "always"},
    {"parses": "always", "usage": "constant", "content": "text"},
    {"parses": "always", "usage": "none", "content": "list", "lists": 404},
    {"parses": "always", "arguments": "object", "refuses": ["seed"]},
    {"parses": "always", "refuses": ["seed", "tool_choice"], "names": False},
    {"none": "hides tools"},
    {"none": "hides tools", "usage": "none"},
    {"none": "forbids calls", "usage": "constant"},
    {"refuses": ["tool_choice"]},
]


def replay(domain: Domain, url: str, *words: str) -> int:
    return main(["--endpoint", url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r", *words])


def figures(domain: Domain, server: OtherServer, *words: str) -> tuple[str, float]:
    """Channel and turn_exact of a run over four sessions."""
    with server as fake:
        assert replay(domain, f"{fake.address}/v1/", "--limit-sessions", "4", *words) == 0
    run = Run(domain.runs / "r")
    outcomes = outcomes_of(run)
    return run.info().identity.channel, sum(outcome.outcome == "ok" for outcome in outcomes) / len(outcomes)


@pytest.mark.parametrize("options", RAW, ids=str)
def test_raw_text_is_scored_where_it_can_be_had(domain, options):
    assert figures(domain, OtherServer(right, **options)) == ("raw", 1.0)


@pytest.mark.parametrize("options", SERVED, ids=str)
def test_parsed_calls_are_scored_where_text_cannot_be_had(domain, options):
    assert figures(domain, OtherServer(right, **options)) == ("served", 1.0)


def test_what_a_server_can_is_said_and_kept(domain, capsys):
    assert figures(domain, OtherServer(right, parses="always", lists=500)) == ("served", 1.0)
    told = capsys.readouterr().err
    assert "channel served (calls come parsed although tool_choice is none); has parsed calls" in told
    assert "lacks raw text, /tokenize, log-probabilities, a list of models" in told
    assert "lists no models (HTTP 500)" in told
    info = Run(domain.runs / "r").info()
    (server,) = info.servers
    assert (server.raw, server.served, server.tools, server.seed) == (False, True, True, True)
    assert (server.logprobs, server.stream_usage, server.models, server.tokenize) == (False, True, False, False)
    assert any("lists no models" in warning for warning in info.warnings)


@pytest.mark.parametrize(
    ("options", "words", "reason"),
    [
        ({"parses": "always"}, ["--channel", "raw"], "come parsed although tool_choice is none; use --channel served"),
        ({"parses": "always"}, ["--channel", "both"], "--channel raw cannot be had"),
        ({"parses": "never"}, ["--channel", "served"], "calls come as text, unparsed; use --channel raw"),
        ({"none": "hides tools"}, ["--channel", "raw"], "the prompt does not hold the tools; use --channel served"),
        ({"refuses": ["tools"]}, [], "requests with tools are refused: HTTP 400: Unrecognized"),
        ({"refuses": ["tools"], "names": False, "status": 500}, [], "requests with tools are refused: HTTP 500: Bad"),
        ({"refuses": ["temperature"], "names": False}, [], "requests are refused: HTTP 400: Bad request"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused_in_one_line(domain, refused, options, words, reason):
    with OtherServer(right, **options) as fake:
        line = refused("--endpoint", fake.address, "--config", domain.config, "--model", "tiny", *words)
    assert reason in line
    assert not domain.runs.exists()


def test_the_probe_is_no_turn_and_takes_few_requests(domain):
    with OtherServer(right) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "4") == 0
        turns = len(outcomes_of(Run(domain.runs / "r")))
        assert len(fake.requests) == turns + 3
    with FakeEndpoint(right) as fake:
        assert replay(domain, fake.url, "--run-id", "apart", "--limit-sessions", "4") == 0
    assert (len(fake.requests), len(fake.probes)) == (turns, 3)


def test_a_model_that_never_calls_leaves_the_channel_open(domain, capsys):
    with OtherServer(lambda _: "Hello.") as fake:
        assert replay(domain, fake.url, "--limit-sessions", "4") == 0
    assert "channel raw; has /tokenize" not in capsys.readouterr().err
    assert Run(domain.runs / "r").info().servers[0].raw is None


def test_a_server_that_fails_at_everything_is_asked_its_turns_and_found_invalid(domain):
    with FakeEndpoint(Script(status=500, body=b"boom"), probed=None) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "1") == 3
    assert {outcome.outcome for outcome in outcomes_of(Run(domain.runs / "r"))} == {"infra_error"}


def test_a_probe_that_hangs_or_fails_keeps_no_run_from_its_turns(domain):
    hangs = Script(hang=True)
    with FakeEndpoint(right, probed=lambda _: hangs) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "4", "--timeout", "0.5") == 0
    assert len(fake.probes) == 1
    with FakeEndpoint(right, probed=lambda _: Script(drop=True)) as fake:
        assert replay(domain, fake.url, "--run-id", "dropped", "--limit-sessions", "4") == 0
    metrics = json.loads(Run(domain.runs / "dropped").metrics_path.read_text())
    assert metrics["models"]["tiny"]["metrics"]["turn_exact"]["value"] == 1.0


def test_a_run_goes_on_over_the_channel_that_it_was_begun_with(domain):
    with OtherServer(right, parses="always", faults=[]) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "4") == 0
        assert replay(domain, fake.url, "--limit-sessions", "4", "--resume") == 0
    with OtherServer(right) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "4", "--resume") == 0
    assert Run(domain.runs / "r").info().identity.channel == "served"


def test_endpoints_share_one_channel(domain):
    with OtherServer(right) as one, OtherServer(right, parses="always") as other:
        assert replay(domain, one.url, "--endpoint", other.url, "--limit-sessions", "4") == 0
    assert Run(domain.runs / "r").info().identity.channel == "served"
