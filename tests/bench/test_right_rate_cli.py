"""`bench --find-rate --quality` on a real HTTP endpoint whose answers get wrong when more than three are in flight."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench_program import bench, session, workplace
from fake_endpoint import FakeEndpoint, Script

__all__ = ["workplace"]

SESSIONS, SERVICE_S, PLACES = 40, 0.1, 3


@pytest.fixture
def many(workplace: Path) -> Path:
    lines = [json.dumps(session(number)) for number in range(SESSIONS)]
    (workplace / "domain/sessions/eval.jsonl").write_text("\n".join(lines))
    return workplace


def answer(payload: dict[str, Any], wrong: bool, delay_s: float = SERVICE_S) -> Script:
    city = payload["messages"][-1]["content"].removeprefix("Weather in ").removesuffix("?")
    call = json.dumps({"name": "weather", "arguments": {"city": city.lower() if wrong else city}})
    return Script(f"<tool_call>\n{call}\n</tool_call>", first_delay_s=delay_s)


def search(folder: Path, fake: FakeEndpoint, slo: str, *words: str) -> dict[str, Any]:
    """What the search found; arrivals are constant, so that requests in flight are the rate times their seconds."""
    asked = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--arrival", "constant"]
    quality = ["--find-rate", "--slo", slo, "--quality", "0.08", "--out", "b.json", *words]
    done = bench(folder, *asked, *quality)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["find_rate"]
    assert found["words"] in done.stdout.replace("\n", " ")
    return found


def verdicts(found: dict[str, Any]) -> dict[float, str]:
    return {trial["rate"]: trial["quality"]["verdict"] for trial in found["trials"]}


def test_the_rate_at_which_answers_get_wrong_is_found_though_the_service_level_holds(many: Path) -> None:
    def half_wrong_when_full(payload: dict[str, Any]) -> Script:
        return answer(payload, wrong=fake.in_flight > PLACES and len(fake.requests) % 2 == 0)

    with FakeEndpoint(half_wrong_when_full, models=["cars"]) as fake:
        found = search(many, fake, "e2e=60000", "--rate", "16")
    # three are in flight for 0.1 s up to 30 req/s; an answer takes a little longer, and rates are 10 % apart
    assert 20 < found["rate"] < found["above"] < 34
    assert found["above"] / found["rate"] <= 1.1
    assert all(trial["share"] == 1 for trial in found["trials"])
    assert all((verdict == "right") == (rate <= found["rate"]) for rate, verdict in verdicts(found).items())
    saved = json.loads((many / "b.json").read_text())
    assert [(level["concurrency"], level["rate"]) for level in saved["levels"][:2]] == [(1, None), (None, 16.0)]
    assert saved["levels"][0]["overall"]["turn_exact"] == 1
    assert saved["find_rate"]["margin"] == 0.08


def test_where_answers_stay_right_the_service_level_ends_the_search(many: Path) -> None:
    def slow_when_full(payload: dict[str, Any]) -> Script:
        return answer(payload, wrong=False, delay_s=1.5 if fake.in_flight > PLACES else SERVICE_S)

    with FakeEndpoint(slow_when_full, models=["cars"]) as fake:
        found = search(many, fake, "e2e=1000", "--rate", "16")
    assert set(verdicts(found).values()) == {"right"}
    assert 16 <= found["rate"] < found["above"] < 34
    assert "is too high for the service level" in found["words"]


def test_where_both_hold_no_rate_is_too_high(many: Path) -> None:
    with FakeEndpoint(lambda payload: answer(payload, wrong=False, delay_s=0.0), models=["cars"]) as fake:
        found = search(many, fake, "e2e=60000", "--rate", "40")
    assert found["above"] is None
    assert set(verdicts(found).values()) == {"right"}
    assert "right, turn_exact 100.0 %, alone 100.0 %: +0.0 points (-7.1 to +7.1); no higher rate" in found["words"]


def test_answers_that_change_a_little_are_never_right_for_want_of_turns(many: Path) -> None:
    def once_wrong_in_a_pass(payload: dict[str, Any]) -> Script:
        city = payload["messages"][-1]["content"]
        return answer(payload, wrong="City 7?" in city and len(fake.requests) > 1 + SESSIONS, delay_s=0.0)

    with FakeEndpoint(once_wrong_in_a_pass, models=["cars"]) as fake:
        found = search(many, fake, "e2e=60000", "--rate", "40")
    assert found["rate"] is None
    assert set(verdicts(found).values()) == {"not enough turns"}
    assert {trial["quality"]["sessions_needed"] for trial in found["trials"]} == {74}
    assert "about 34 more sessions would settle it" in found["words"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quality", "0.02"], "--quality: is of a search; add --find-rate"),
        (["--find-rate", "--slo", "e2e=1", "--quality", "0"], "--quality 0: is no share between 0 and 1"),
        (["--find-rate", "--slo", "e2e=1", "--quality", "2"], "--quality 2: is no share between 0 and 1"),
        (
            ["--find-rate", "--slo", "e2e=1", "--quality", "0.02"],
            "--quality 0.02: 40 sessions cannot show that, not even if no answer changes; about 138 can; "
            "raise --requests, or add eval sessions, or give --quality 0.071",
        ),
        (
            ["--find-rate", "--slo", "e2e=1", "--quality", "0.2", "--requests", "20"],
            "--quality 0.2: 20 sessions cannot show that, not even if no answer changes; about 30 can",
        ),
    ],
)
def test_a_margin_that_cannot_be_shown_is_one_line_before_anything_is_asked(
    words: list[str], message: str, many: Path
) -> None:
    with FakeEndpoint(models=["cars"]) as fake:
        done = bench(many, "--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", *words)
        assert not fake.requests
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
