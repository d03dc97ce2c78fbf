"""Records of the public software-engineering sets, told apart by their keys.

| set | `patch` | the code with the bug |
|---|---|---|
| SWE-bench and those of its layout (SWE-Gym, SWE-rebench, SWE-bench-extra) | mends | `base_commit` |
| SWE-Synth | mends | `base_commit` with `test_patch`, which makes the bug |
| SWE-smith | makes the bug: its reverse mends | the repository with `patch` |
| trajectories of SWE-smith, Moatless of SWE-Synth | (not used) | in `messages` |

Sources: cards of the data sets on the Hugging Face hub; swesmith.com, guides/harnesses ("the diff that, when applied,
creates the bug"); swesynth's `RepositorySnapshot.to_swebench_instance`.
"""

import re
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON, decode
from callproof.errors import UserError
from callproof.sessions import Found

from .diffs import Binary, FileDiff, parse, reversed_diff, written

_WRAPPED = re.compile(r"\s*<patch>\n?(.*?)\n?</patch>\s*", re.DOTALL)


class LeftOut(Exception):
    """Why a record makes no example; it is counted."""


class Task(NamedTuple):
    """A bug to mend.

    Attributes:
        answer: the diff that mends it, as it was recorded, or the reverse of the one that makes the bug.
        fix: its changes.
        bug: the changes that make it, where the commit is free of it.
        text: the prompt of an oracle or BM25 set, which holds files.
    """

    where: str
    instance: str
    task: str | int
    issue: str
    answer: str
    fix: list[FileDiff]
    bug: list[FileDiff]
    repo: str | None
    commit: str | None
    text: str | None


def is_trajectory(record: dict[str, Any]) -> bool:
    return record.get("messages") is not None


def read_task(found: Found) -> Task:
    """The task that a record holds.

    Raises:
        UserError: no known layout, or a key with another value than it should have (`where: key`).
        LeftOut: it has no issue or no fix, or a binary one.
    """
    record, where = found.record, found.where
    missing = [key for key in ("instance_id", "problem_statement", "patch") if key not in record]
    if missing:
        listed = ", ".join(map(repr, list(record)[:8]))
        problem = f"no task of SWE-bench, SWE-smith or SWE-Synth: {', '.join(missing)} missing, its keys are {listed}"
        raise UserError(where, problem[:300], "see docs/reference/data.md for the layouts")
    issue, patch = text_under(record, "problem_statement", where), text_under(record, "patch", where)
    instance = name_under(record, "instance_id", where)
    makes_bug = _makes_bug(record, where)
    if not (issue or "").strip():
        raise LeftOut("problem_statement is empty")
    if not (patch or "").strip():
        raise LeftOut("patch is empty")
    diff = _unwrapped(patch or "")
    changes = _changes(diff, f"{where}: patch")
    fix = reversed_diff(changes) if makes_bug else changes
    commit = text_under(record, "base_commit", where) or None
    is_synth = commit is not None and commit in instance and not makes_bug
    made = text_under(record, "test_patch", where) if is_synth else None
    return Task(
        where=where,
        instance=instance,
        task=task_id(record, where),
        issue=issue or "",
        answer=written(fix) if makes_bug else diff,
        fix=fix,
        bug=changes if makes_bug else _changes(made, f"{where}: test_patch") if made else [],
        repo=text_under(record, "repo", where),
        commit=commit,
        text=text_under(record, "text", where),
    )


def _makes_bug(record: dict[str, Any], where: str) -> bool:
    """Whether `patch` makes the bug, as in SWE-smith, rather than mend it."""
    if any("swesmith" in (text_under(record, key, where) or "") for key in ("image_name", "repo")):
        return True
    if record.get("base_commit") or record.get("test_patch") or record.get("text"):
        return False
    problem = "cannot tell whether patch mends the bug (SWE-bench, SWE-Synth) or makes it (SWE-smith)"
    raise UserError(where, problem, "give it the base_commit, or the image_name or repo that names swesmith")


def _unwrapped(patch: str) -> str:
    """The patch without the tags that oracle and BM25 sets put around it."""
    wrapped = _WRAPPED.fullmatch(patch)
    return f"{wrapped[1]}\n" if wrapped else patch


def _changes(patch: str, place: str) -> list[FileDiff]:
    try:
        return parse(patch)
    except Binary:
        raise LeftOut("its patch holds binary content") from None
    except ValueError as error:  # a bad diff, or a number or an escape in it that is none
        raise UserError(place, f"no unified diff of text ({error})", "leave the record out") from None


def text_under(record: dict[str, Any], key: str, where: str) -> str | None:
    value = record.get(key)
    if not isinstance(value, str | None):
        raise UserError(f"{where}: {key}", f"expected text, got {type(value).__name__}", "see docs/reference/data.md")
    return value


def name_under(record: dict[str, Any], key: str, where: str) -> str:
    value = text_under(record, key, where)
    if not value:
        raise UserError(f"{where}: {key}", "expected text that is not empty, got nothing", "see docs/reference/data.md")
    return value


def task_id(record: dict[str, Any], where: str) -> str | int:
    """The record's own `task_id`, else its `instance_id`."""
    value = record.get("task_id")
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool)
        else (text_under(record, "task_id", where) or name_under(record, "instance_id", where))
    )


def conversations(found: Found) -> list[list[Any]]:
    """The conversations of a trajectory: one, or a list of them as Moatless writes it.

    Raises:
        UserError: `messages` is no list, nor JSON text of one.
        LeftOut: `resolved` is false.
    """
    record, where = found.record, found.where
    if record.get("resolved") is False:
        raise LeftOut("resolved is false")
    value = record["messages"]
    try:
        value = decode(value) if isinstance(value, str) else value
    except RefusedJSON as error:
        raise UserError(f"{where}: messages", f"malformed JSON ({error})", "write a list of messages") from None
    if not isinstance(value, list) or not value:
        problem = f"expected a list of messages, got {type(value).__name__ if value else 'nothing'}"
        raise UserError(f"{where}: messages", problem, "see docs/reference/data.md for the layouts")
    return value if all(isinstance(item, list) for item in value) else [value]
