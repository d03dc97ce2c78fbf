"""Writes imported turns to a turns file, lints their gold, and counts the lines that hold no turn."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON, writable_value
from callproof.errors import UserError
from callproof.records import read_jsonl, replacing
from callproof.sessions import INSTRUCTIONS
from callproof.turns import Turn, catalog_of

from ..saved import BAD_GOLD, lint_gold


class Imported(NamedTuple):
    """A turn and its `path:line`; `gold_where` is that of its gold, where it stands in a file of its own."""

    where: str
    turn: Turn
    gold_where: str | None = None


class Skipped(NamedTuple):
    """A line that cannot become a turn, and the reason."""

    where: str
    reason: str


@dataclass
class Import:
    """The result of an import.

    `sessions`: ids of the sessions that the turns belong to; `without_tools`: how many turns were asked without tools;
    `bad_gold`: gold that its own catalog refuses or cannot judge, as `path:line: turn: call: problem`; refused in
    `bad_turns` turns; `skipped`: lines that hold no turn, as `path:line: reason`.
    """

    turns: int = 0
    sessions: set[str] = field(default_factory=set)
    without_tools: int = 0
    bad_gold: list[str] = field(default_factory=list)
    bad_turns: int = 0
    skipped: list[str] = field(default_factory=list)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`path:line`, object) of each line, streamed; lone surrogates are replaced.

    Raises:
        UserError: unreadable or empty file, a line that is no JSON object, or one that is nested too deep
            (`path:line`).
    """
    where = ""
    for number, row in read_jsonl(path):
        where = f"{path}:{number}"
        try:
            yield where, writable_value(row)
        except RefusedJSON as error:
            raise UserError(where, f"cannot be imported ({error})", "take the line out") from None
    if not where:
        raise UserError(path, "is empty", "give one JSON object a line")


def position_after(messages: Iterable[Mapping[str, Any]]) -> int:
    """The index in its session of the message that comes after these: a system prompt is none of a session's."""
    return sum(message.get("role") not in INSTRUCTIONS for message in messages)


def write_imported(imported: Iterable[Imported | Skipped], out: Path, *, drop_bad_gold: bool = False) -> Import:
    """Write turns to `out`, which appears in one step when all are written.

    Args:
        drop_bad_gold: leave out the turns whose gold their own catalog refuses.

    Raises:
        UserError: two turns of one id (`path:line`), no turn at all, or `out` cannot be written.
    """
    result = Import()
    with replacing(out) as file:
        file.writelines(f"{turn.model_dump_json()}\n".encode() for turn in _kept(imported, result, drop_bad_gold))
    return result


def _kept(imported: Iterable[Imported | Skipped], result: Import, drop_bad_gold: bool) -> Iterator[Turn]:
    seen: set[str] = set()
    for item in imported:
        if isinstance(item, Skipped):
            result.skipped.append(f"{item.where}: {item.reason}")
            continue
        turn = item.turn
        if turn.turn_id in seen:
            raise UserError(item.where, f"turn {turn.turn_id!r} occurs twice", "rename one")
        seen.add(turn.turn_id)
        catalog = catalog_of(turn)
        problems, lines, _ = lint_gold(turn, catalog)
        gold_where = item.gold_where or item.where
        result.bad_gold += [f"{gold_where}: {turn.turn_id}: {problem}" for problem in (*problems, *lines)]
        result.bad_turns += bool(problems)
        if not (problems and drop_bad_gold):
            result.turns += 1
            result.sessions.add(turn.session_id)
            result.without_tools += not turn.catalog
            yield turn.model_copy(update={"tags": (*turn.tags, BAD_GOLD)}) if problems else turn
    if not result.turns:
        first = f"; the first skipped line is {result.skipped[0]}" if result.skipped else ""
        dropped = f", {result.bad_turns} with gold that breaks its schema" if result.bad_turns else ""
        raise UserError("import", f"no turns are left{dropped}{first}", "check the file and its form")
