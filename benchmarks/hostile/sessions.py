"""Records of every form that the documentation shows, spoiled: read, or refused in one line that names the place.

One in ten lies in a file as text that is spoiled as well.
"""

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from callproof.errors import UserError
from callproof.sessions import Session, read_records, to_session
from callproof.sessions.reading.system_text import system_and_tools

from .trial import MARKS, Trial, dumped, json_value, spoiled_text, spoiled_value

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "data.md"
WHERE = "log.jsonl:3"
LONGEST = 20_000
"""Characters of a refusal of one record, which may have several faults."""
_FOLDER = tempfile.TemporaryDirectory(prefix="callproof-campaign-")
_DECODER = json.JSONDecoder()


@cache
def examples() -> list[dict[str, Any]]:
    """The records on the page, and others made of their parts."""
    found: list[dict[str, Any]] = []
    for block in PAGE.read_text(encoding="utf-8").split("```")[1::2]:
        at = block.find("{")
        while at >= 0:
            try:
                value, end = _DECODER.raw_decode(block, at)
            except ValueError:
                value, end = None, at + 1
            found += [value] if isinstance(value, dict) else []
            at = block.find("{", end)
    return found


def trial(rng: Random) -> Trial:
    """One record, spoiled in up to four places."""
    done, record = Trial(), rng.choice(examples())
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        record = spoiled_value(rng, record, _foreign)
    if rng.random() < 0.1:
        _in_a_file(done, rng, record)
    elif isinstance(record, dict):
        _record(done, record, WHERE, record)
    return done


def _foreign(rng: Random) -> Any:
    """What may stand in the wrong place: any value, part of another record, or its text, whole or spoiled."""
    part: Any = rng.choice(examples())
    while isinstance(part, dict | list) and part and rng.random() < 0.8:
        part = rng.choice(list(part.values()) if isinstance(part, dict) else part)
    text = part if isinstance(part, str) else dumped(rng, part)
    return rng.choice((json_value(rng), part, text, spoiled_text(rng, text, MARKS), "", None))


def _record(done: Trial, record: dict[str, Any], where: str, shown: Any) -> None:
    session = done.run(shown, lambda: _read(done, record, where, shown), UserError)
    if session is not None:
        done.counts["read"] += 1
        again = done.run(shown, lambda: to_session(json.loads(json.dumps(session.record())), where, where))
        if system_and_tools(session.system or "")[1] is None:  # tools listed twice are taken out twice
            done.expect(again in (None, session), "read back, it is another session", shown)


def _read(done: Trial, record: dict[str, Any], where: str, shown: Any) -> Session:
    try:
        return to_session(record, where, where)
    except UserError as error:
        line = str(error)
        good = line.startswith(f"{where}") and "\n" not in line and len(line) < LONGEST
        done.expect(good, f"refused in other words than a line that names the place: {line[:300]!a}", shown)
        raise


def _in_a_file(done: Trial, rng: Random, record: Any) -> None:
    path = Path(_FOLDER.name) / "log.jsonl"
    text = spoiled_text(rng, dumped(rng, record), MARKS)
    path.write_bytes(text.encode(errors="surrogatepass"))
    found = done.run(text, lambda: _found(done, path, text), UserError)
    for one in found or []:
        if isinstance(one.value, dict):
            _record(done, one.value, one.where, text)
        else:
            done.expect(str(one.value).startswith(str(path)), "a refusal that names no place", text)


def _found(done: Trial, path: Path, shown: Any) -> list[Any]:
    try:
        return list(read_records(str(path)))
    except UserError as error:
        done.expect(str(error).startswith(str(path)) and "\n" not in str(error), f"refused by {error!a}", shown)
        raise
