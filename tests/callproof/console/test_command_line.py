"""Wrong usage of any verb is one line: the place, what is wrong, what to do."""

import pytest
from programs import run_program

from callproof.console import with_verb
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
