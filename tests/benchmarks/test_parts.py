"""Long measurements in parts: what is there is not run again, what fails is named, and the table has a row for each."""

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from benchmarks.support.parts import Part, Result, arguments, run_parts
from callproof.errors import UserError

COUNT = "import pathlib; p = pathlib.Path('count'); p.write_text(p.read_text() + 'x' if p.exists() else 'x'); "


def seen(found: Result) -> str:
    return f"{found['n']} | turns"


def part(name: str, code: str = "print('hello'); print('{\"n\": 7}')", **options: Any) -> Part:
    return Part(name, f"claim {name}", ("-c", code), seen, **options)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_finished_part_is_not_run_again_and_one_of_another_command_is(capsys: pytest.CaptureFixture[str]) -> None:
    counting, out = part("a", COUNT + "print('{\"n\": 7}')"), Path("out")
    for _ in range(2):
        assert run_parts([counting], [], out) == 0
    assert Path("count").read_text() == "x"
    assert run_parts([counting._replace(words=("-c", f"{counting.words[1]} # changed"))], [], out) == 0
    assert Path("count").read_text() == "xx"
    assert last_json(capsys)["failed"] == []


def test_a_part_alone_is_run_with_those_that_it_needs() -> None:
    parts = [part("x"), part("first"), part("second", needs=("first",)), part("third", needs=("second",))]
    assert run_parts(parts, ["third"], Path("out")) == 0
    assert sorted(path.stem for path in Path("out").glob("*.json")) == ["first", "second", "third"]


def test_the_table_tells_machine_versions_and_what_each_part_has_seen(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("a"), part("b", lacks="models/x is not there"), part("c")]
    assert run_parts(parts, ["a", "b"], Path("out")) == 0
    place, load, _, _, _, *rows = Path(last_json(capsys)["table"]).read_text().splitlines()
    assert re.fullmatch(r"The load average before a part was [\d.]+ to [\d.]+; a quiet machine has less than 1.", load)
    assert "openai 3." in place
    assert " cores, " in place
    assert [row.split(" | ")[-1] for row in rows] == [
        "7 / turns |",
        "not run: models/x is not there |",
        "not run: not yet |",
    ]


def test_a_part_that_fails_is_named_with_its_log_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [
        part("raises", 'import sys; print("error: no such thing", file=sys.stderr); sys.exit("bye")'),
        part("silent", "pass"),
        part("other", "print('{\"m\": 1}')"),
        part("slow", "import time; time.sleep(60)", minutes=0.01),
        part("fine"),
    ]
    began = time.monotonic()
    assert run_parts(parts, [], Path("out")) == 1
    assert time.monotonic() - began < 20
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["failed"] == ["raises", "silent", "other", "slow"]
    errors = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert errors == [
        "error: raises: ended with code 1 (error: no such thing); see out/raises.log",
        "error: silent: its last line is not the JSON that was expected; see out/silent.log",
        "error: other: its last line is not the JSON that was expected; see out/other.log",
        "error: slow: took more than 0.01 minutes; see out/slow.log",
    ]
    assert sorted(path.name for path in Path("out").glob("*.json")) == ["fine.json"]
    assert Path("out/table.md").read_text().count("| failed: ") == 4


def test_sigterm_ends_the_program_of_the_part_that_runs() -> None:
    slow = "import pathlib, os, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    code = (
        "from pathlib import Path; from benchmarks.support.parts import Part, run_parts; "
        f"run_parts([Part('slow', 'x', ('-c', {slow!r}), str)], [], Path('out'))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL) as process:
        until(lambda: Path("pid").is_file() and Path("pid").read_text() != "")
        process.terminate()
        assert process.wait(30) != 0
    child = int(Path("pid").read_text())
    assert not Path(f"/proc/{child}").exists()


def until(met: Callable[[], bool]) -> None:
    for _ in range(600):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that in 30 s")


def test_a_part_that_does_not_exist_and_a_file_that_is_no_result_are_one_line() -> None:
    with pytest.raises(UserError, match=r"--only: there is no part 'x'; choose from a, b"):
        run_parts([part("a"), part("b")], ["x"], Path("out"))
    Path("out").mkdir()
    Path("out/a.json").write_text('{"half": ')
    with pytest.raises(UserError, match=r"out/a.json: is no result of a part; delete it"):
        run_parts([part("a")], [], Path("out"))


AGAINST = {"trl": {"median": 2.0, "min": 1.5, "max": 2.5}}
TRAINED = {"mfu": {"ours": 0.314}, "peak_gib": {"ours": 0.8}, "ours_against": AGAINST}
BESIDE = {"over_ours": 1.0, "spread": [0.9, 1.1]}
RESULTS: dict[str, Result] = {
    "train-tiny": {**TRAINED, "tokens_per_s": {"ours": 1234.4}},
    "train-smollm2": {**TRAINED, "tokens_per_s": {"ours": 400}, "mfu": None, "peak_gib": {"ours": 4.04}},
    "base": {"shape": "tiny", "megabytes": 3},
    "adapter": {"steps": 2},
    "slots": {"tokens_per_s": {"1": 100.0, "8": 80.0}, "kept": 0.8, "spread": [0.8, 0.8]},
    "llm-chat": {"ratio": 1.07, "spread": [0.95, 1.2], "turns": 18},
    "vllm-bench": {"vllm bench serve": {"ttft": BESIDE, "tpot": BESIDE, "e2e": BESIDE}},
}


def test_the_command_for_a_gpu_makes_its_table_of_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    gpu, out = importlib.import_module("gpu"), Path("out")
    out.mkdir()
    Path("models/smollm2-135m").mkdir(parents=True)
    made = gpu.training_parts(True, None) + gpu.serving_parts(True, out)
    for one in made:
        stored = {"command": one.command, "machine": "X, 2 cores", "device": "CPU", "load": 0.5}
        stored["versions"] = {"torch": "2.13"}
        (out / f"{one.name}.json").write_text(json.dumps(stored | {"result": RESULTS[one.name]}))
    monkeypatch.setattr("sys.argv", ["gpu.py", "--tiny", "--out", "out"])
    assert gpu.main() == 0
    place, load, _, _, _, *rows = (out / "table.md").read_text().splitlines()
    assert load == "The load average before a part was 0.5 to 0.5; a quiet machine has less than 1."
    assert place == "Measured on a CPU: that it runs, not how fast a GPU is (X, 2 cores; torch 2.13)."
    assert [row.split(" | ")[-1] for row in rows] == [
        "ours 1,234 tokens/s, MFU 31.4%, 0.8 GiB: 2.00 times (1.50 to 2.50) trl |",
        "ours 400 tokens/s, 4.0 GiB: 2.00 times (1.50 to 2.50) trl |",
        "tiny, 3 MB |",
        "2 steps |",
        "100 tokens/s of one, 80 of 8: 0.80 times as many |",
        "1.07 times (0.95 to 1.20) as long for 18 turns |",
        "medians of vLLM's over ours: TTFT 1.00 times (0.90 to 1.10), TPOT 1.00 times (0.90 to 1.10), "
        "E2E 1.00 times (0.90 to 1.10) |",
    ]
    assert last_json(capsys)["failed"] == []


def test_both_commands_take_the_same_words_for_one_part() -> None:
    parser = arguments("x", "runs/x")
    assert parser.parse_args(["--only", "a", "--part", "b"]).only == ["a", "b"]


def test_the_command_for_the_harness_has_a_part_for_each_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    harness = importlib.import_module("all")
    parser = arguments("x", "runs/x")
    args = parser.parse_args([])
    args.bfcl, args.published, args.aiperf, args.llamafactory, args.axolotl = None, Path("none"), None, None, None
    parts = {one.name: one for one in harness.parts_of(args)}
    assert list(parts) == "start-up replay answers scoring bfcl train-quick train chunks load".split()
    assert parts["bfcl"].lacks == "--bfcl names no folder of bfcl-eval"
    assert all((ROOT / one.words[0]).is_file() for one in parts.values())
