"""`callproof serve` as a user calls it, as far as it goes without vLLM."""

import json
import subprocess
from pathlib import Path

import pytest
from adapter_files import write_adapter
from programs import run_program

REPOSITORY = Path(__file__).resolve().parents[2]


def serve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("serve", *words, cwd=folder)


def write_config(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text)


MISTAKES = {
    "no file": (None, "a.yaml: cannot be read"),
    "unknown key": ("name: a\ndata: {domain: d}\nserve: {prot: 1}\n", "unknown key 'serve.prot'; did you mean 'port'?"),
    "no adapter": ("name: a\ndata: {domain: d}\nmodel: {base_model: o/m}\n", "callproof train --config a.yaml"),
    "no base": ("name: a\ndata: {domain: d}\nmodel: {base_model: ./m}\n", "there is no folder m"),
}


@pytest.mark.parametrize("option", [[], ["--print"]])
@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(
    text: str | None, message: str, option: list[str], tmp_path: Path
) -> None:
    if text is not None:
        write_config(tmp_path, text)
    done = serve(tmp_path, "--config", "a.yaml", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_shows_examples() -> None:
    done = serve(REPOSITORY, "--help")
    assert done.returncode == 0
    assert "callproof serve --config configs/car_sales.yaml --print" in done.stdout


def write_model(folder: Path) -> None:
    """A configuration and its adapter, on a hub base."""
    write_config(
        folder, "name: a\ndata: {domain: d}\nmodel: {base_model: owner/base}\nserve: {tool_call_parser: hermes}\n"
    )
    write_adapter(folder / "outputs/a/adapter", base_model_name_or_path=None)


@pytest.mark.parametrize("verb", ["start", "doctor", "chat", "snippet", "ui", "list", "load", "unload", "promote"])
def test_help_shows_an_example_of_every_verb(verb: str) -> None:
    examples = serve(REPOSITORY, "--help").stdout.partition("examples:")[2]
    assert f"callproof serve {'--config' if verb == 'start' else verb}" in examples


def test_every_platform_is_written_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    write_model(tmp_path)
    files = {"--write": "v.yaml", "--compose": "c.yml", "--kserve": "k.yaml", "--ray": "r.yaml"}
    options = [word for pair in files.items() for word in pair]
    done = serve(tmp_path, "--config", "a.yaml", "--device", "gpu", "--store", "s3://b/x", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"written": list(files.values())}
    assert "r.yaml: Ray prefixes adapters with the name of the base" in done.stderr
    assert all((tmp_path / file).read_text().startswith("# ") for file in files.values())
    assert not (tmp_path / "outputs/serve").exists()
    assert str(tmp_path / "outputs/a/adapter") in (tmp_path / "v.yaml").read_text()


def test_a_store_that_is_missing_leaves_no_file_behind(tmp_path: Path) -> None:
    write_model(tmp_path)
    done = serve(tmp_path, "--config", "a.yaml", "--compose", "c.yml", "--ray", "r.yaml")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 2)
    assert "not compared with the base" in done.stderr
    assert not (tmp_path / "c.yml").exists()


WRONG_USE = {
    "nothing to serve": ([], "has nothing to serve"),
    "unknown verb": (["docter"], "did you mean 'doctor'?"),
    "no port": (["--config", "a.yaml", "--port", "70000"], "from 1 to 65535"),
    "no such adapter": (["--adapter", "a=b/c/d"], "there is no folder b/c/d"),
    "load of nothing": (["load", "a", "nowhere"], "there is no folder nowhere"),
}


@pytest.mark.parametrize(("words", "message"), WRONG_USE.values(), ids=WRONG_USE)
def test_wrong_use_is_one_line_and_exit_code_2(words: list[str], message: str, tmp_path: Path) -> None:
    done = serve(tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert message in done.stderr


def test_print_gives_one_line_that_starts_the_server_and_starts_nothing(tmp_path: Path) -> None:
    write_model(tmp_path)
    done = serve(tmp_path, "--config", "a.yaml", "--print", "--port", "8123")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert " owner/base --enable-lora --lora-modules '" in done.stdout
    assert " --port 8123 " in done.stdout
    assert "vllm serve owner/base --enable-lora" in done.stdout + done.stderr
    assert not (tmp_path / "outputs/serve").exists()


def test_promote_takes_settings_anywhere_after_its_command():
    from serve.cli import VERB

    base = ["--config", "c.yaml", "--baseline", "best"]
    for words in (["cars", "out", *base, "gate.min_sessions=2"], ["cars", "out", "gate.min_sessions=2", *base]):
        args = VERB.parser().parse_args(["promote", *words])
        assert (args.name, str(args.path), args.overrides) == ("cars", "out", ["gate.min_sessions=2"])
