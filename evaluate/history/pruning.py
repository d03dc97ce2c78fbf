"""Clears old runs away: which may go, and that nothing else does.

A run goes only whole, and only from the folder that was named: its own folder there, never one that a link leads to. A
run stays that is blessed under any name (its answers may be asked for again), that another process writes to, or that
is among the newest of its configuration.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from callproof.errors import UserError, cause_of

from ..runs import baselines
from .listing import Listed, list_runs


class Old(NamedTuple):
    """A run that may go, and how many bytes its folder holds."""

    listed: Listed
    size: int


class Prunable(NamedTuple):
    """Which runs may go, oldest first, and of those that would, why some stay: run -> reason."""

    old: list[Old]
    staying: dict[str, str]


def prunable(runs: Path, keep: int, older_than_days: int | None, name: str | None) -> Prunable:
    """What `prune` would delete.

    Args:
        keep: how many of the newest runs of each configuration stay.
        older_than_days: only runs that began so long ago; None: any.
        name: only runs of this configuration; None: of all.

    Raises:
        UserError: no such folder, or a baseline that does not tell which run it was.
    """
    blessed = {baseline.run_id: f"blessed as {called}" for called, baseline in baselines(runs)}
    old, staying = [], {}
    for listed in _old(list_runs(runs), keep, older_than_days):
        if name is not None and listed.info.name != name:
            continue
        path = listed.run.path
        if reason := _reason(path, runs) or blessed.get(listed.info.run_id):
            staying[path.name] = reason
        else:
            old.append(Old(listed, sum(file.lstat().st_size for file in path.rglob("*"))))
    return Prunable(old[::-1], staying)


def _old(listed: list[Listed], keep: int, older_than_days: int | None) -> Iterator[Listed]:
    """The runs, given newest first, that neither the number to keep nor the age protects."""
    newer: Counter[str] = Counter()
    for each in listed:
        newer[each.info.name] += 1
        if newer[each.info.name] > keep and _is_older(each, older_than_days):
            yield each


def _is_older(listed: Listed, days: int | None) -> bool:
    if days is None:
        return True
    try:
        began = datetime.fromisoformat(listed.info.started)
    except ValueError:
        return False
    return datetime.now(UTC) - began.astimezone(UTC) > timedelta(days=days)


def _reason(path: Path, runs: Path) -> str | None:
    """Why a folder must not be deleted as a run of `runs`."""
    if path.is_symlink() or path.resolve().parent != runs.resolve():
        return "a link to another place"
    return None


def delete(old: Old) -> None:
    """Delete a run's folder, unless another process writes to it.

    Raises:
        UserError: one does, or a file cannot be deleted.
    """
    run = old.listed.run
    with run:
        try:
            shutil.rmtree(run.path)
        except OSError as error:
            mend = "delete what is left of it by hand"
            raise UserError(run.path, f"cannot be deleted ({cause_of(error)})", mend) from None
