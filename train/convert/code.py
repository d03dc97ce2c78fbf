"""The code that a task is about, as it is before the fix; nothing is fetched."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from callproof.errors import UserError

from .diffs import DoesNotFit, FileDiff, applied
from .layouts import LeftOut, Task

_SHOWN = re.compile(r"^\[start of ([^\]\n]+)\]\n(.*?)\n\[end of \1\]$", re.DOTALL | re.MULTILINE)
_NUMBERED = re.compile(r"(\d+) ?(.*)", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_ANOTHER = "the code is not what its patch was made from"


class Code(NamedTuple):
    """A piece of a file, whole or from line `start` (from 1) on."""

    path: str
    start: int | None
    text: str


def hunks(task: Task) -> list[Code]:
    """The lines that the fix stands between and replaces, from its diff alone."""
    return [
        Code(file.old, hunk.old_start, "".join(hunk.side("-")))
        for file in task.fix
        if file.old
        for hunk in file.hunks
        if hunk.side("-")
    ]


def files(task: Task, repos: Path | None) -> list[Code]:
    """The files that the fix changes, whole: from a checkout, else from the record's own prompt.

    Raises:
        UserError: there is neither.
        LeftOut: no such checkout, commit or file, or another text than the patch was made from.
    """
    if not repos and not task.text:
        mend = "give --repos with checkouts, or --source patch, or the oracle set, whose `text` holds the files"
        raise UserError(task.where, "holds no files", mend)
    shown = {} if repos else _shown(task.text or "")
    pieces: list[Code] = []
    for file in task.fix:
        if file.old:
            base = _base_path(file.old, task.bug)
            text = _read(task, repos, base) if repos and base else None if repos else shown.get(file.old)
            pieces.append(Code(file.old, None, _before_fix(file, text, task, bugged=not repos)))
    return pieces


def _base_path(path: str, bug: list[FileDiff]) -> str | None:
    """What the file is called without the bug; None where the bug has made it."""
    return next((file.old for file in bug if file.new == path), path)


def _before_fix(file: FileDiff, text: str | None, task: Task, bugged: bool) -> str:
    """The text with the bug, to which the fix is known to fit."""
    bug = None if bugged else next((change for change in task.bug if change.new == file.old), None)
    if text is None and not (bug and bug.old is None):
        raise LeftOut(f"{'its text' if bugged else 'the checkout'} lacks a file that the fix changes")
    try:
        text = applied(bug, text or "") if bug else text or ""
        applied(file, text)
    except DoesNotFit:
        raise LeftOut(_ANOTHER) from None
    return text


def _shown(prompt: str) -> dict[str, str]:
    """The files in the prompt of an oracle or BM25 set, without the numbers of their lines."""
    return {match[1]: _unnumbered(match[2]) for match in _SHOWN.finditer(prompt)}


def _unnumbered(text: str) -> str:
    lines = text.split("\n")
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(match and match[1] == str(number) for number, match in enumerate(numbered, start=1)):
        return "\n".join(match[2] for match in numbered if match)
    return text


def _read(task: Task, repos: Path, path: str) -> str | None:
    """A file of the checkout: of the commit where the record names one and git knows it, else as it lies there."""
    folder = _checkout(task, repos)
    if task.commit and (folder / ".git").exists():
        content = _of_commit(task, folder, path)
    else:
        place = (folder / path).resolve()
        inside = place.is_relative_to(folder.resolve()) and place.is_file()
        content = place.read_bytes() if inside else None
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        raise LeftOut("a file that the fix changes is not UTF-8") from None


def _checkout(task: Task, repos: Path) -> Path:
    repo = task.repo or ""
    names = [repo.replace("/", "__"), repo, repo.rsplit("/", 1)[-1]]
    folder = next((repos / name for name in names if repo and ".." not in name and (repos / name).is_dir()), None)
    if folder is None:
        raise LeftOut(f"no checkout of {repo or 'its repository'} in {repos}")
    return folder


def _of_commit(task: Task, folder: Path, path: str) -> bytes | None:
    commit = task.commit or ""
    if not _COMMIT.fullmatch(commit):
        problem = f"expected the hash of a commit, got {commit!r}"[:200]
        raise UserError(f"{task.where}: base_commit", problem, "see docs/reference/data.md for the layouts")
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
    known, blob = (
        subprocess.run(["git", "-C", str(folder), *words], capture_output=True, env=environment)
        for words in (("cat-file", "-e", f"{commit}^{{commit}}"), ("cat-file", "blob", f"{commit}:{path}"))
    )
    if known.returncode:
        raise LeftOut(f"the checkout of {task.repo} lacks its base_commit")
    return None if blob.returncode else blob.stdout
