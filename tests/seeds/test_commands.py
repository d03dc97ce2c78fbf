"""The commands of docs/explanation/seeds.md that end by themselves are run, as they are typed, in a clone."""

import re
import shlex
from pathlib import Path

import pytest
from programs import ROOT, run_program

PAGE = ROOT / "docs" / "explanation" / "seeds.md"
SERVERS = r"kkit-lora-server|train service|serve ui|serve chat|--host|--endpoint|evaluate report"
"""What waits for requests, or needs somebody who answers them; those have tests of their own."""


def commands() -> list[str]:
    rows = [line.split("|")[3] for line in PAGE.read_text().splitlines() if re.match(r"\| 00\d \|", line)]
    spans = [span for row in rows for span in re.findall(r"`((?:[A-Z_]+=\S* )*callproof [^`]+)`", row)]
    return [span for span in dict.fromkeys(spans) if not re.search(SERVERS, span)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the files of the repository lie as in a clone, and `outputs/lab` is trained."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("configs", "datasets", "docs", "models"):
        (folder / name).symlink_to(ROOT / name)
    done = run_program("train", "--config", "docs/examples/lab.yaml", cwd=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("command", commands())
def test_each_command_that_ends_by_itself_is_run(clone: Path, command: str) -> None:
    words = shlex.split(command)
    start = words.index("callproof")
    environment = {"OMP_NUM_THREADS": "1", **dict(word.split("=", 1) for word in words[:start])}
    done = run_program(*words[start + 1 :], cwd=clone, **environment)
    spoils = words[start + 1 : start + 3] == ["train", "check"] and done.returncode == 1
    assert done.returncode == 0 or (spoils and '"spoiled"' in done.stdout), done.stderr
    if "--out" in words:
        assert (clone / words[words.index("--out") + 1]).exists()
