"""What `benchmarks/merged.py` cannot do is said in one line, before anything is merged."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CONFIG = str(ROOT / "configs/car_sales.yaml")


@pytest.mark.parametrize(
    ("converter", "llama", "problem"),
    [
        ("absent.py", sys.executable, "absent.py: is no file"),
        (__file__, "no-such-python", "no-such-python: is no Python that has xllamacpp"),
    ],
)
def test_what_is_not_there_is_said_at_the_door(tmp_path: Path, converter: str, llama: str, problem: str) -> None:
    words = ["--config", CONFIG, "--converter", converter, "--llama", llama, "--work", str(tmp_path / "work")]
    command = [sys.executable, str(ROOT / "benchmarks/merged.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "work").exists()


def test_a_command_that_fails_and_a_server_that_ends_are_one_line(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from pathlib import Path
from callproof.errors import UserError
import merged
ends = [sys.executable, "-c", "raise SystemExit(7)"]
for act in (lambda: merged._run(ends), lambda: merged.running(ends, 1, Path("server.log")).__enter__()):
    try:
        act()
    except UserError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    failed, ended = done.stdout.splitlines()
    assert "failed with exit code 7" in failed
    assert ended.startswith("server.log: ")
    assert "did not start a server" in ended
