"""The tables of the verbs: every command has a manual, and does what an importable function does."""

import os
import subprocess
import sys
from importlib import import_module

import pytest
from programs import ROOT, run_program

from callproof.console import Verb

VERBS = ("train", "serve", "evaluate", "bench")


@pytest.mark.parametrize("verb", VERBS)
def test_each_command_has_help_and_something_to_do(verb: str) -> None:
    table: Verb = import_module(f"{verb}.cli").VERB
    for name, command in table.commands.items():
        done = run_program(verb, name, "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: callproof {verb} {name}")
        late = command.act.__closure__
        if late is not None:
            module, function = sorted((cell.cell_contents for cell in late), key=lambda text: "." not in text)
            assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("verb", VERBS)
def test_the_exit_codes_that_all_commands_share_stand_in_each_manual(verb: str) -> None:
    manual = run_program(verb, "--help").stdout
    assert "  2    wrong usage, configuration or data\n" in manual
    assert "  130  interrupted\n" in manual


def callproof(*words: str) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, "-m", "callproof", *words], {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_callproof_alone_lists_its_verbs() -> None:
    done = callproof()
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  callproof")] == list(VERBS)


def test_callproof_runs_a_verb_with_its_exit_code() -> None:
    done = callproof("evaluate", "score")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: callproof evaluate score: the following arguments are required: --turns")


def test_an_unknown_verb_is_one_line_that_names_the_nearest() -> None:
    done = callproof("evalute")
    expected = "error: callproof evalute: unknown verb; did you mean 'evaluate'? verbs: train, serve, evaluate, bench\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.parametrize("word", ["--frob", "--version"])
def test_an_option_in_place_of_a_verb_is_one_line(word: str) -> None:
    done = callproof(word)
    expected = f"error: callproof {word}: is no verb; begin with one of: train, serve, evaluate, bench\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "gate", "a", "b", "gate.min_sessions=3"],
        ["evaluate", "gate", "a", "b", "stray"],
        ["train", "infer", "--prompt", "x", "eval.max_tokens=3"],
        ["serve", "--adapter", "a=/nowhere", "serve.port=3"],
        ["bench", "compare", "a.json", "b.json", "eval.max_tokens=3"],
    ],
)
def test_words_that_set_keys_of_no_configuration_are_refused(words: list[str]) -> None:
    done = callproof(*words)
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"{words[-1]}: sets keys of a configuration, and none is given; add --config, or leave it out\n"
    )
    assert done.stderr.count("\n") == 1
