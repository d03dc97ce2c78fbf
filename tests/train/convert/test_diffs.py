"""Diffs read, turned round and applied as git itself does it."""

import subprocess
from pathlib import Path

import pytest

from train.convert.diffs import BadDiff, Binary, DoesNotFit, applied, parse, reversed_diff, written


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", "-C", str(folder), *name, *words], capture_output=True, check=True)
    return done.stdout.decode()


BEFORE = {
    "a.py": "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\n",
    "no end.txt": "first\nlast",
    "gone.py": "x = 1\n",
    "moved.py": "a\nb\nc\nd\ne\nf\n",
    "mode.sh": "#!/bin/sh\n",
    "dos.txt": "a\r\nb\r\nc\r\n",
    "ü.txt": "umlaut\n",
    "dash.sql": "select 1;\n-- a note\n++ b\nend\n",
}
AFTER = {
    "a.py": "zero\none\ntwo\n3\nfour\nfive\nsix\nseven\neight\nnine\nTEN\n",
    "no end.txt": "first\nlast\nmore\n",
    "new.py": "y = 2\n",
    "empty.py": "",
    "renamed.py": "a\nb\nc\nD\ne\nf\n",
    "mode.sh": "#!/bin/sh\n",
    "dos.txt": "a\r\nB\r\nc\r\n",
    "ü.txt": "umlauts\n",
    "dash.sql": "select 1;\n-- another note\n+++ b\nend\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with BEFORE committed and AFTER staged."""
    git(tmp_path, "init", "-q")
    for name, text in BEFORE.items():
        (tmp_path / name).write_bytes(text.encode())
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "before")
    for name in BEFORE.keys() - AFTER.keys():
        (tmp_path / name).unlink()
    for name, text in AFTER.items():
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "mode.sh").chmod(0o755)
    git(tmp_path, "add", "-A")
    return tmp_path


def contents(repo: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in repo.iterdir() if path.is_file()}


def test_a_diff_is_written_as_git_wrote_it(repo: Path) -> None:
    text = git(repo, "diff", "--cached")
    own, theirs = written(parse(text)).splitlines(), text.splitlines()
    odd = [pair for pair in zip(own, theirs, strict=True) if pair[0] != pair[1]]
    # git quotes the umlaut, and puts a tab behind a name with a blank
    assert odd == [
        ("--- a/no end.txt", "--- a/no end.txt\t"),
        ("+++ b/no end.txt", "+++ b/no end.txt\t"),
        ("--- a/ü.txt", r'--- "a/\303\274.txt"'),
        ("+++ b/ü.txt", r'+++ "b/\303\274.txt"'),
    ]


def test_each_file_s_change_gives_the_text_after_it(repo: Path) -> None:
    changes = parse(git(repo, "diff", "--cached"))
    made = {file.new: applied(file, BEFORE.get(file.old or "", "")) for file in changes if file.new}
    assert made == AFTER
    assert [file.old for file in changes if file.new is None] == ["gone.py"]


def test_git_takes_the_reverse_and_is_back_where_it_was(repo: Path) -> None:
    undo = written(reversed_diff(parse(git(repo, "diff", "--cached"))))
    (repo.parent / "undo.diff").write_bytes(undo.encode())
    git(repo, "apply", "--index", str(repo.parent / "undo.diff"))
    assert contents(repo) == BEFORE
    assert git(repo, "status", "--porcelain") == ""


def test_the_reverse_of_the_reverse_is_the_same(repo: Path) -> None:
    changes = parse(git(repo, "diff", "--cached"))
    heads, others = zip(*((file.heads, file[1:]) for file in reversed_diff(reversed_diff(changes))), strict=True)
    assert list(others) == [file[1:] for file in changes]
    assert [head for head in heads if "ü" not in head[0]] == [file.heads for file in changes if file.new != "ü.txt"]


def test_the_reverse_is_what_git_writes_for_it(repo: Path) -> None:
    ours = reversed_diff(parse(git(repo, "diff", "--cached", "--", "a.py", "no end.txt")))
    theirs = parse(git(repo, "diff", "--cached", "-R", "--", "a.py", "no end.txt"))
    assert [file.hunks for file in ours] == [file.hunks for file in theirs]


def test_a_plain_diff_without_git_s_lines_is_read() -> None:
    (file,) = parse("--- x.py\t2024-01-01\n+++ x.py\t2024-01-02\n@@ -1 +1 @@\n-a\n+b\n")
    assert (file.old, file.new, applied(file, "a\n")) == ("x.py", "x.py", "b\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("Sorry, I cannot.", "line 1: expected a unified diff of text"),
        ("--- a/x\n@@ -1 +1 @@\n-a\n+b\n", "line 2: expected `\\+\\+\\+ path`"),
        ("--- a/x\n+++ b/x\n", "line 3: expected a hunk"),
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n", "line 6: expected 3 more lines|line 6: expected . more lines"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n-b\n+c\n", "line 5: expected a line of the hunk, or fewer"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n?b\n", "line 5: expected a line of the hunk"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\nand so on", "line 6: expected a unified diff"),
    ],
)
def test_what_is_no_diff_is_refused_by_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadDiff, match=problem):
        parse(text)


def test_binary_content_is_told_apart() -> None:
    with pytest.raises(Binary):
        parse("diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n")


@pytest.mark.parametrize("text", ["one\nzwei\nthree\n", "zero\none\ntwo\nthree\n", "", "one\ntwo\n"])
def test_a_diff_of_another_text_does_not_fit(text: str) -> None:
    (file,) = parse("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
    with pytest.raises(DoesNotFit, match="x: line 1"):
        applied(file, text)
