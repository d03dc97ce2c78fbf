"""A folder is replaced whole or not at all, whenever the process dies."""

import subprocess
import sys
from pathlib import Path

import pytest

from callproof.errors import UserError
from callproof.records import replacing_folder

KILLED = """
import os, sys
from pathlib import Path
from callproof.records import replacing_folder

left = int(sys.argv[2])

def count(event, args):
    global left
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"):
        left -= 1
        if left < 0:
            os._exit(9)

sys.addaudithook(count)
with replacing_folder(Path(sys.argv[1])) as folder:
    (folder / "new").write_text("new")
    (folder / "whole").write_text("whole")
"""
MOVES = 20
"""More than a replacement takes, which the last case shows by ending well."""


def held(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_block_that_raises_leaves_the_earlier_folder_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(UserError, match="cannot be written"), replacing_folder(target) as folder:
        folder.write_text("a folder is no file")
    assert held(tmp_path) == {"model", "old"}
    with replacing_folder(target) as folder:
        (folder / "new").write_text("new")
    assert held(tmp_path) == {"model", "new"}


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), replacing_folder(tmp_path / "file" / "model"):
        raise AssertionError("never reached")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No such file or directory: .*absent"), replacing_folder(tmp_path / "model"):
        (tmp_path / "absent").read_text()


def test_a_kill_at_any_step_leaves_a_whole_folder_and_the_next_replacement_works(tmp_path: Path) -> None:
    codes = []
    for step in range(MOVES):
        place = tmp_path / str(step)
        target, old = place / "model", place / ".model.old"
        target.mkdir(parents=True)
        for name in ("old", "other"):
            (target / name).write_text(name)
        command = [sys.executable, "-c", KILLED, str(target), str(step)]
        codes.append(subprocess.run(command, timeout=60).returncode)
        assert held(target if target.exists() else old) in ({"old", "other"}, {"new", "whole"})
        with replacing_folder(target) as folder:
            (folder / "newest").write_text("newest")
        assert held(place) == {"model", "newest"}
    assert codes[0] == 9
    assert codes[-1] == 0
