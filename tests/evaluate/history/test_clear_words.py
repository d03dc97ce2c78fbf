"""What is said where a user would ask: which models, which turns, where a path starts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint
from weather import Domain, Refused, right

from callproof.console import percent, points
from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]


def test_without_a_model_base_and_adapter_of_the_configuration_are_asked(domain: Domain, capsys):
    with FakeEndpoint(right, models=["tiny", "weather"]) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--limit-sessions", "2", "--run-id", "one"]
        assert main(words) == 0
    assert Run(domain.runs / "one").info().models == ("tiny", "weather")
    told = capsys.readouterr().err
    assert "models: tiny, weather, as the configuration names them; --model chooses" in told


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ([], "weather: 4 turns of 6 recorded answers: eval.turns is decisions (replies to the user and calls; eval."),
        (["eval.turns=all"], "weather: 6 turns, one for each recorded answer"),
    ],
)
def test_the_number_of_turns_is_told_beside_that_of_the_recorded_answers(
    domain: Domain, capsys, settings: list[str], sentence: str
):
    with FakeEndpoint(right, models=["tiny"]) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--limit-sessions", "2", "--model", "tiny"]
        assert main([*words, *settings]) == 0
    assert sentence in capsys.readouterr().err


def test_a_path_that_leads_nowhere_is_told_with_the_place_where_it_starts(
    make_domain: Callable[..., Domain], refused: Refused
):
    domain = make_domain(data={"domain": "datasets/nowhere"})
    error = refused("--config", domain.config, "--model", "tiny")
    assert "datasets/nowhere/" in error
    assert f"it is relative to the working directory, {Path.cwd()}" in error
    absolute = refused("--config", "/nowhere.yaml", "--model", "tiny")
    assert absolute == "error: /nowhere.yaml: cannot be read (No such file or directory); check the path"


@pytest.mark.parametrize(
    ("value", "text"), [(1 / 16, "6.3"), (0.3125, "31.3"), (0.8754, "87.5"), (0.0, "0.0"), (1.0, "100.0"), (None, "–")]
)
def test_a_share_is_rounded_as_the_report_rounds_it(value: float | None, text: str):
    assert percent(value) == text  # toFixed(1) of 6.25 is 6.3, where Python's own format gives 6.2
    assert points(value) == (text if value is None else f"+{text}")
    assert value is None or value == 0 or points(-value) == f"-{text}"
