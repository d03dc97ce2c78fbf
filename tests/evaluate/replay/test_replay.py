import json
from collections import Counter
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from weather import Domain, call, right, wrong

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.runs import Run, read_outcomes

pytest_plugins = ["weather_plugin"]


def replay(domain: Domain, url: str, *words: str, models: tuple[str, ...] = ("tiny",)) -> int:
    named = [word for model in models for word in ("--model", model)]
    return main(["--endpoint", url, "--config", str(domain.config), *named, "--run-id", "r", *words])


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def asked(fake: FakeEndpoint) -> list[str]:
    return [json.dumps([request["model"], request["messages"]]) for request in fake.requests]


def test_every_turn_is_asked_of_every_model_once_and_the_figures_are_those_of_the_answers(domain, capsys):
    with FakeEndpoint(lambda p: (right if p["model"] == "good" else wrong)(p), models=["tiny", "good"]) as fake:
        assert replay(domain, fake.url, models=("tiny", "good")) == 0
    assert len(asked(fake)) == len(set(asked(fake))) == 160
    found = last_line(capsys)["runs"][0]
    assert found["run"] == "runs/r"
    assert found["models"]["good"] == {
        "turn_exact": 1.0, "name_f1": 1.0, "arg_exact": 1.0, "hallucination_rate": 0.0, "n": 80,
    }  # fmt: skip
    assert found["models"]["tiny"]["turn_exact"] == 0.0
    assert found["models"]["tiny"]["hallucination_rate"] == 1.0
    metrics = json.loads((domain.runs / "r" / "metrics.json").read_text())
    assert metrics["models"]["tiny"]["outcomes"] == {"wrong_args": 40, "hallucinated_call": 40}
    assert metrics["differences"]["good"]["turn_exact"]["value"] == 1.0
    assert metrics["models"]["good"]["slices"]["tag=even"]["turn_exact"]["n"] == 40


def test_a_run_directory_tells_what_was_asked_of_whom_and_how(domain):
    with FakeEndpoint(right) as fake:
        replay(domain, fake.url.replace("http://", "http://me:secret@"), "--limit-sessions", "3")
    run = Run(domain.runs / "r")
    info = run.info()
    assert (info.name, info.models, info.turns, info.sessions) == ("weather", ("tiny",), 6, 3)
    assert info.server_version == "fake"
    assert info.identity.sampling == {"max_tokens": 256, "temperature": 0.0, "seed": 0, "repeats": 1}
    assert info.endpoints == (fake.url,)
    assert (info.tool_choice, info.strict_level, info.parser) == ({"raw": "none"}, "none", None)
    assert (info.catalog_in_prompt, info.template_hash, info.warnings) == (True, None, ())
    assert info.finished is not None
    assert info.config is not None
    assert info.config["data"]["domain"] == str(domain.root)
    assert [turn.turn_id for turn in run.turns()] == [outcome.turn_id for outcome in outcomes_of(run)]
    assert "secret" not in (run.path / "run.json").read_text()


@pytest.mark.parametrize(("variable", "settings"), [("OPENAI_API_KEY", {}), ("TEAM_KEY", {"api_key_env": "TEAM_KEY"})])
def test_the_api_key_is_sent_and_never_written_or_shown(make_domain, monkeypatch, capfd, variable, settings):
    def echo(payload: dict[str, Any]) -> Script:
        if payload["messages"][-1]["content"] == "Weather in City1":
            return Script(status=400, body=b"refused: Bearer k3y-of-the-test")
        return Script(right(payload))

    monkeypatch.setenv(variable, "k3y-of-the-test")
    domain = make_domain(eval={"retries": 0, **settings})
    with FakeEndpoint(echo, api_key="k3y-of-the-test") as fake:
        assert replay(domain, fake.url, "--limit-sessions", "2") == 3
    for path in (domain.runs / "r").iterdir():
        assert b"k3y-of-the-test" not in path.read_bytes()
    assert b"refused: Bearer ***" in (domain.runs / "r" / "outcomes.jsonl").read_bytes()
    assert "k3y-of-the-test" not in "".join(capfd.readouterr())


def late(payload: dict[str, Any]) -> Script:
    return Script(right(payload), first_delay_s=0.05)


def test_turns_of_one_session_go_one_after_another_and_sessions_side_by_side(domain):
    with FakeEndpoint(late) as fake:
        replay(domain, fake.url, "--concurrency", "8")
    assert 1 < fake.most_in_flight <= 8
    lengths = [len(request["messages"]) for request in fake.requests]
    assert lengths[:8] == [2] * 8
    order: dict[str, list[int]] = {}
    for request in fake.requests:
        order.setdefault(request["messages"][0]["content"], []).append(len(request["messages"]))
    assert all(lengths == sorted(lengths) for lengths in order.values())


def test_when_no_session_is_left_to_begin_turns_go_side_by_side(make_domain):
    domain = make_domain(sessions=2)
    with FakeEndpoint(late) as fake:
        replay(domain, fake.url, "--concurrency", "8")
    assert fake.most_in_flight == 4


def test_resume_after_a_torn_line_asks_only_what_is_missing(domain, capsys):
    with FakeEndpoint(right, models=["tiny", "good"]) as fake:
        replay(domain, fake.url, models=("tiny", "good"))
        whole = last_line(capsys)["runs"][0]["models"]
        path = domain.runs / "r" / "outcomes.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:100]) + lines[100][:50])
        before = asked(fake)
        fake.requests.clear()
        assert replay(domain, fake.url, "--resume", models=("tiny", "good")) == 0
    assert len(asked(fake)) == 60
    assert set(asked(fake)) < set(before)
    assert last_line(capsys)["runs"][0]["models"] == whole
    keys = [(outcome.model, outcome.turn_id) for outcome in read_outcomes(path)]
    assert len(keys) == len(set(keys)) == 160


def test_unanswered_turns_count_as_wrong_make_the_run_invalid_and_are_asked_again(domain, capsys):
    with FakeEndpoint(right, faults=[Script(status=503)] * 8) as fake:
        assert replay(domain, fake.url) == 3
        found = last_line(capsys)["runs"][0]["models"]["tiny"]
        assert (found["turn_exact"], found["n"]) == (0.9, 80)
        fake.requests.clear()
        assert replay(domain, fake.url, "--resume") == 0
    assert len(fake.requests) == 8
    assert last_line(capsys)["runs"][0]["models"]["tiny"]["turn_exact"] == 1.0


def test_a_second_process_is_kept_out_of_a_run_that_is_being_written(domain):
    with FakeEndpoint(right) as fake:
        replay(domain, fake.url)
        with Run(domain.runs / "r"), pytest.raises(UserError, match="another process"):
            replay(domain, fake.url, "--resume")


def test_several_configurations_make_a_run_each(make_domain, capsys):
    one, other = make_domain("weather", sessions=4), make_domain("storms", sessions=3)
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--model", "tiny", "--run-id", "x"]
        assert main([*words, "--config", str(one.config), "--config", str(other.config)]) == 0
    runs = last_line(capsys)["runs"]
    assert [run["run"] for run in runs] == ["runs/x-weather", "runs/x-storms"]
    assert [run["models"]["tiny"]["n"] for run in runs] == [8, 6]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" * 2000,
        call("get_weather", city="\ud800"),
        '<tool_call>{"name": "get_weather", "arguments": {"city": "\\ud800", "n": 1e999}}</tool_call>',
        '<tool_call>{"name": "get_weather", "arguments": ' + '{"a":' * 500 + "1" + "}" * 501 + "</tool_call>",
        '<tool_call>{"name": "get_weather", "arguments": {"n": ' + "9" * 5000 + "}}</tool_call>",
        '<tool_call>{"name": "get_weather", "arguments": {"n": ' + "9" * 4000 + "}}</tool_call>",
        "\u2028\x00\x1b[31m</script>",
    ],
)
def test_whatever_a_model_writes_can_be_written_and_read_again(domain, text):
    with FakeEndpoint(text) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "1") == 0
    assert len(list(read_outcomes(domain.runs / "r" / "outcomes.jsonl"))) == 2


def served(payload: dict[str, Any]) -> Script:
    """A server whose parser loses the calls of every tenth city."""
    text = right(payload)
    if payload["tool_choice"] == "none" or not text.startswith("<tool_call>"):
        return Script(text)
    value = json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    if value["arguments"]["city"].endswith("0"):
        return Script("")
    function = {"name": value["name"], "arguments": json.dumps(value["arguments"])}
    return Script(tool_calls=({"id": "c0", "type": "function", "function": function},), finish_reason="tool_calls")


def test_both_channels_are_asked_and_their_disagreement_is_told(domain):
    with FakeEndpoint(served) as fake:
        assert replay(domain, fake.url, "--channel", "both") == 0
    assert len(fake.requests) == 160
    assert [request["tool_choice"] for request in fake.requests].count("auto") == 80
    run = Run(domain.runs / "r")
    outcomes = outcomes_of(run)
    lost = {outcome.turn_id for outcome in outcomes if outcome.outcome == "missed_call"}
    assert {outcome.channel for outcome in outcomes if outcome.turn_id in lost and outcome.outcome == "ok"} == {"raw"}
    metrics = json.loads(run.metrics_path.read_text())
    assert {name: found["metrics"]["turn_exact"]["value"] for name, found in metrics["models"].items()} == {
        "tiny": 1.0, "tiny (served)": 0.95,
    }  # fmt: skip
    assert metrics["disagreement"]["tiny"]["value"] == pytest.approx(4 / 80)
    info = run.info()
    assert (info.identity.channel, info.parser) == ("both", "hermes")
    assert info.tool_choice == {"raw": "none", "served": "auto"}


def test_the_served_channel_scores_what_a_client_gets(domain, capsys):
    with FakeEndpoint(served) as fake:
        assert replay(domain, fake.url, "--channel", "served") == 0
    assert last_line(capsys)["runs"][0]["models"]["tiny"]["turn_exact"] == 0.95
    assert {request["tool_choice"] for request in fake.requests} == {"auto"}


def test_calls_of_a_server_that_parses_though_it_was_told_not_to_are_scored_and_told(domain, capsys):
    with FakeEndpoint(lambda payload: served({**payload, "tool_choice": "auto"})) as fake:
        assert replay(domain, fake.url, "--channel", "raw") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["runs"][0]["models"]["tiny"]["turn_exact"] == 0.95
    assert "answers bring tool_calls though raw text was asked for" in captured.err


def test_the_format_of_the_configuration_is_the_one_that_is_scored(make_domain, capsys):
    def mistral(payload: dict[str, Any]) -> str:
        city = payload["messages"][-1]["content"].split()[-1]
        text = f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}]'
        return text if right(payload).startswith("<tool_call>") else "You are welcome."

    for parser, exact in (("mistral", 1.0), ("hermes", 0.5)):
        domain = make_domain(parser, sessions=2, serve={"tool_call_parser": parser})
        with FakeEndpoint(mistral) as fake:
            assert replay(domain, fake.url, "--run-id", parser) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out.splitlines()[-1])["runs"][0]["models"]["tiny"]["turn_exact"] == exact
        assert ("2 answers write calls otherwise than hermes does (in mistral 2)" in captured.err) == (exact < 1)
        assert Run(domain.runs / parser).info().identity.format == parser


def test_a_format_that_cannot_be_read_here_is_refused_on_the_raw_channel_alone(make_domain, refused):
    domain = make_domain(serve={"tool_call_parser": "step3"})
    with FakeEndpoint(served) as fake:
        words = ["--endpoint", fake.url, "--config", domain.config, "--model", "tiny", "--channel", "raw"]
        assert "serve.tool_call_parser: 'step3' is no format that can be read here" in refused(*words)
        assert replay(domain, fake.url) == 0
    assert Run(domain.runs / "r").info().identity.channel == "served"


def test_an_answer_that_the_server_gave_up_is_asked_again_and_kept_with_its_words(domain):
    error = Script(body=b'{"error": {"message": "CUDA out of memory", "code": 500}}')
    with FakeEndpoint(right, faults=[error]) as fake:
        assert replay(domain, fake.url, "--retries", "1", "--limit-sessions", "2") == 0
    with FakeEndpoint(right, faults=[error]) as fake:
        assert replay(domain, fake.url, "--run-id", "once", "--limit-sessions", "2") == 3
    (lost,) = [outcome for outcome in read_outcomes(domain.runs / "once" / "outcomes.jsonl") if outcome.counts.infra]
    assert "CUDA out of memory" in lost.reasons[0]


def test_repeats_have_seeds_of_their_own_and_count_as_one_turn(domain, capsys):
    def moody(payload: dict[str, Any]) -> str:
        return (wrong if payload["seed"] == 2 and payload["messages"][-1]["content"] == "Thanks!" else right)(payload)

    with FakeEndpoint(moody) as fake:
        assert replay(domain, fake.url, "--repeats", "4") == 0
    seeds = Counter((json.dumps(request["messages"]), request["seed"]) for request in fake.requests)
    assert set(seeds.values()) == {1}
    assert len(seeds) == 320
    found = json.loads((domain.runs / "r" / "metrics.json").read_text())["models"]["tiny"]
    assert found["turns"] == 80
    assert (found["metrics"]["turn_exact"]["value"], found["metrics"]["turn_exact"]["n"]) == (0.875, 80)
    assert found["metrics"]["pass_k"]["value"] == 0.5
    assert "temperature 0" in Run(domain.runs / "r").info().warnings[0]
    assert "warning: repeats at temperature 0" in capsys.readouterr().err


def test_a_resumed_run_asks_only_the_repeats_and_channels_that_are_missing(domain):
    words = ("--repeats", "2", "--channel", "both", "--limit-sessions", "5")
    with FakeEndpoint(served) as fake:
        replay(domain, fake.url, *words)
        path = domain.runs / "r" / "outcomes.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        assert len(lines) == 40
        path.write_bytes(b"".join(lines[::2]))
        fake.requests.clear()
        assert replay(domain, fake.url, *words, "--resume") == 0
    assert len(fake.requests) == 20
    keys = {(outcome.turn_id, outcome.channel, outcome.repeat) for outcome in read_outcomes(path)}
    assert len(keys) == 40


def test_resume_begins_a_run_that_was_killed_before_it_began(domain, capsys):
    with FakeEndpoint(right) as fake:
        assert replay(domain, fake.url, "--resume") == 0
    assert len(fake.requests) == 80
    assert "nothing to resume yet" in capsys.readouterr().err


def test_outcomes_without_their_run_are_never_mixed_with_new_ones(domain):
    (domain.runs / "r").mkdir(parents=True)
    (domain.runs / "r" / "outcomes.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"holds outcomes, but no run\.json"):
        replay(domain, "http://127.0.0.1:9")


def test_a_template_without_the_catalog_is_warned_of(domain, capsys):
    with FakeEndpoint(right, template="without tools") as fake:
        replay(domain, fake.url, "--limit-sessions", "1")
    info = Run(domain.runs / "r").info()
    assert (info.catalog_in_prompt, info.warnings[0] in capsys.readouterr().err) == (False, True)
    assert "does not hold the turn's tools" in info.warnings[0]


def test_a_server_without_tokenize_is_asked_all_the_same(domain):
    with FakeEndpoint(right, template=None) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "1") == 0
    info = Run(domain.runs / "r").info()
    assert (info.catalog_in_prompt, info.prompt_hash, info.warnings) == (None, None, ())
