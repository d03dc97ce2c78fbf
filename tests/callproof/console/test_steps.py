"""How far long work is, where stderr is no terminal."""

import time

import pytest

from callproof.console import Steps, counted


def test_a_line_each_ten_seconds_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Steps("reading", 40) as steps:
        for _ in range(40):
            now += 1
            steps.advance()
    assert capsys.readouterr().err.splitlines() == [f"reading: {done} of 40" for done in (10, 20, 30, 40)]


def test_a_line_may_tell_it_in_other_words_and_without_a_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Steps("reading", None) as steps, Steps("asking", None, lambda done, total: f"{done} KiB, {total}") as other:
        now += 10
        steps.advance(3)
        other.advance(5)
    assert capsys.readouterr().err.splitlines() == ["reading: 3", "asking: 5 KiB, None"]


def test_items_are_counted_as_they_pass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in counted(range(2000), "reading", "sessions"):
        now += 5.001
    assert capsys.readouterr().err.splitlines()[-1] == "reading: 2,000 sessions"


def test_steps_of_an_earlier_attempt_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Steps("asking", 40, done=30) as steps:
        now += 10
        steps.advance()
    assert capsys.readouterr().err.splitlines() == ["asking: 31 of 40"]
