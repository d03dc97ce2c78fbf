"""Wrong usage of any verb is one line: the place, what is wrong, what to do."""

import argparse
from collections.abc import Callable

import pytest
from programs import run_program

from callproof.console import fraction, number, port, seconds, with_verb
from callproof.errors import UserError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["train", "frobnicate"],
            "error: callproof train frobnicate: unknown verb; verbs: run, config, check, ",
        ),
        (["train", "prepar"], "did you mean 'prepare'?"),
        (["train", "--config"], "error: callproof train run: argument --config: expected one argument; see"),
        (["serve", "--port", "x"], "error: callproof serve start: argument --port: expected a whole number; see"),
        (["bench", "--frob"], "error: callproof bench run: "),
        (["bench", "compar"], "error: callproof bench compar: unknown verb; did you mean 'compare'?"),
        (["evaluate", "gat"], "error: callproof evaluate gat: unknown verb; did you mean 'gate'?"),
        (["train", "synth", "--frob"], "error: callproof train: unrecognized arguments: --frob; see "),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], expected: str) -> None:
    done = run_program(*words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr


def test_the_default_verb_stands_before_options() -> None:
    assert with_verb("p", ["--config", "x"], ("run", "other"), "run") == ["run", "--config", "x"]
    assert with_verb("p", [], ("run",), "run") == ["run"]
    assert with_verb("p", ["other", "--x"], ("run", "other"), "run") == ["other", "--x"]
    assert with_verb("p", ["-h"], ("run",), "run") == ["-h"]
    with pytest.raises(UserError):
        with_verb("p", ["x"], ("run",), "run")


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (number(0), "0", 0.0),
        (number(0), "1e3", 1000.0),
        (number(-1, 1), "-1", -1.0),
        (number(0, 2, above=True), "2", 2.0),
        (fraction, "0.02", 0.02),
        (fraction, "1", 1.0),
        (seconds, "0.5", 0.5),
        (port, "65535", 65535),
    ],
)
def test_numbers_of_options_are_read(parse: Callable[[str], float], text: str, value: float) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "texts", "expected"),
    [
        (number(0), ("-0.1", "x", "", "inf", "nan", "-inf"), "expected a number from 0"),
        (number(0, 2, above=True), ("0", "2.1"), "expected a number above 0 to 2"),
        (fraction, ("1.01", "-0.01", "2%"), "expected a number from 0 to 1"),
        (seconds, ("0", "-1", "inf", "nan", "1s"), "expected a number of seconds above 0"),
        (port, ("0", "65536"), "expected a number from 1 to 65535"),
        (port, ("80.0", "-1"), "expected a whole number"),
    ],
)
def test_what_is_no_such_number_is_refused(
    parse: Callable[[str], float], texts: tuple[str, ...], expected: str
) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as error:
            parse(text)
        assert str(error.value) == expected
