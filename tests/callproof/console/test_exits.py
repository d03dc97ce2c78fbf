"""Exit codes never lie: whatever happens is one line and its own code, and a traceback comes with `--debug` only."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT, run_program

CONFIG = "configs/car_sales.yaml"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


def program(*words: str, stdout: int | None = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, as a shell starts it."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, env=settings, stdout=stdout, stderr=subprocess.PIPE, text=True)


def raising(what: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command line whose work does `what`."""
    code = (
        f"from callproof.errors import exit_with\ndef deep(): return deep()\ndef work():\n    {what}\nexit_with(work)"
    )
    return program("-c", code, *words)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("deep()", "RecursionError: maximum recursion depth exceeded"),
        ("raise MemoryError", "MemoryError"),
        ("raise ValueError('two\\nlines \\x1b[2J')", "ValueError: two lines \\x1b[2J"),
        ("raise FileNotFoundError(2, 'gone', 'x')", "FileNotFoundError: [Errno 2] gone: 'x'"),
        ("raise BaseException('a panic')", "BaseException: a panic"),
    ],
)
def test_an_internal_error_is_one_line_and_never_the_code_of_a_regression(what: str, line: str) -> None:
    done = raising(what)
    assert (done.returncode, done.stderr.count("\n")) == (70, 1)
    assert done.stderr.startswith(f"internal error: {line}")
    assert done.stderr.endswith("; run it with --debug for the traceback\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG, errno.EROFS])
def test_a_disk_that_refuses_is_wrong_use_and_says_the_words_of_the_system(number: int) -> None:
    done = raising(f"raise OSError({number}, None, 'a/file')")
    assert done.returncode == 2
    assert done.stderr == f"error: a/file: {os.strerror(number)}; choose another place, or free some space\n"


def test_debug_shows_the_traceback_and_changes_no_code() -> None:
    done = raising("1 / 0", "--debug")
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert "internal error: ZeroDivisionError" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_debug_may_stand_anywhere(place: int) -> None:
    words = ["evaluate", "gate", "absent", "absent"]
    words.insert(place, "--debug")
    done = program("-m", "callproof", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in program("-m", "callproof", *[word for word in words if word != "--debug"]).stderr


@pytest.mark.parametrize("verb", ["train", "serve", "evaluate", "bench"])
def test_each_manual_tells_the_code_of_an_internal_error(verb: str) -> None:
    assert "  70   an internal error; --debug shows its traceback\n" in run_program(verb, "--help").stdout


@pytest.mark.parametrize(
    ("code", "words"), [(141, ("train", "config", "--config", CONFIG)), (0, ("evaluate", "--help"))]
)
def test_a_reader_that_has_gone_is_no_error(code: int, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = program("-m", *words, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


@needs_full
def test_a_full_stdout_is_one_line() -> None:
    with FULL.open("wb") as full:
        done = program("-m", "train", "config", "--config", CONFIG, stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: No space left on device")
    assert done.stderr.count("\n") == 1


@needs_full
def test_a_full_stderr_changes_no_code() -> None:
    with FULL.open("wb") as full:
        command = [sys.executable, "-m", "evaluate", "gate", "absent", "absent"]
        assert subprocess.run(command, cwd=ROOT, stdout=full, stderr=full).returncode == 2


def test_streams_that_know_ascii_only_take_every_text() -> None:
    done = program("-m", "evaluate", "gate", "f\u00fcr", "x", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "f\\xfcr" in done.stderr
    shown = program("-m", "train", "check", "--config", CONFIG, "model.base_model=absent", PYTHONIOENCODING="ascii")
    assert (shown.returncode, "Traceback" in shown.stderr) == (0, False)
    assert shown.stdout.isascii()


def test_an_escape_in_a_name_reaches_no_terminal() -> None:
    done = run_program("evaluate", "--config", "a\x1b[2J\u202eb.yaml", "--model", "x")
    assert done.returncode == 2
    assert "a\\x1b[2J\\u202eb.yaml" in done.stderr


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    from callproof.records import write_json

    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        write_json(fifo, {"a": 1})
        assert reader.communicate()[0] == b'{\n  "a": 1\n}\n'
    assert fifo.is_fifo()


@pytest.mark.parametrize(
    ("setting", "template", "code"), [("prompt.question", "{{ 1 / 0 }}", 2), ("model.chat_template", "{{ a.b.c }}", 1)]
)
def test_a_template_that_raises_is_one_line(tmp_path: Path, setting: str, template: str, code: int) -> None:
    """Exit code 1 of `check`: sessions would spoil a training, here all of them."""
    path = tmp_path / "raising.jinja"
    path.write_text(template)
    (tmp_path / "sessions").mkdir()
    for split in ("train", "eval"):
        row = {"instruction": f"Say {split}", "response": "Hi."}
        (tmp_path / "sessions" / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "system_prompt.md").write_text("Be kind.\n")
    (tmp_path / "config.yaml").write_text(f"name: raising\ndata: {{domain: {tmp_path}}}\nprompt: {{catalog: none}}\n")
    overrides = (f"{setting}={path}", f"model.base_model={ROOT / 'models/tiny'}")
    done = run_program("train", "check", "--config", str(tmp_path / "config.yaml"), *overrides)
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()
    assert any("raising.jinja" in line or "refuses a conversation" in line for line in [*said, done.stdout])
