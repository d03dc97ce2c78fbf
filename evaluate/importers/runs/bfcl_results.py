"""Result folders of BFCL: `result/<model>/**/BFCL_v4_<category>_result.json`, with `score/<model>/**` beside them.

The questions and possible answers come from `--data`, the folder with `BFCL_v4_<category>.json` and
`possible_answer/`; see `..bfcl` for how they are read. Where the score files are there, an answer that they do not list
as wrong is one that BFCL found right.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.records import read_jsonl
from callproof.scoring import Answer

from .. import bfcl
from ..turns_file import Imported, Skipped
from .record import Found, Options, Sample, Wire

_NAME = re.compile(r"(?P<version>BFCL_v\d+)_(?P<category>.+)_result")
_OTHERS = ("multi_turn", "memory", "web_search", "format_sensitivity", "simple_java", "live_java", "rest", "exec")
_FAILED = "Error during inference:"


def is_bfcl(value: Any) -> bool:
    """Whether a line is a result of BFCL."""
    return isinstance(value, dict) and {"id", "result"} <= value.keys()


def read_bfcl(files: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The results of all files; of categories that are not single-turn Python, none."""
    for found in files:
        named = _NAME.fullmatch(found.path.stem)
        if named is None:
            raise UserError(
                found.path, "is not named BFCL_v4_<category>_result.json", "give the folder as BFCL wrote it"
            )
        if named["category"].startswith(_OTHERS):
            reason = "its category has several turns, or is no Python"
            yield from (Skipped(where, reason) for where, _ in found.rows())
            continue
        yield from _read(found, named["version"], named["category"], options.data)


def _read(found: Found, version: str, category: str, data: Path | None) -> Iterator[Sample | Skipped]:
    if data is None:
        problem = "holds answers without their questions"
        raise UserError(found.path, problem, "give --data, the folder of BFCL's questions and possible_answer/")
    possible = data / "possible_answer" / f"{version}_{category}.json"
    rows = bfcl.read_questions(data / f"{version}_{category}.json", possible if possible.is_file() else None)
    questions = {imported.turn.turn_id: imported for imported in rows}
    wrong = _wrong(found.path)
    for where, row in found.rows():
        asked = questions.pop(str(row.get("id")), None)
        if asked is None:
            raise UserError(where, f"answers {row.get('id')!r}, which {data} does not ask", "give the data of this run")
        yield _sample(where, row, asked, _model(found.path), wrong)
    yield from (Skipped(str(found.path), "the model has no result for a question of its category") for _ in questions)


def _sample(where: str, row: Wire, asked: Imported, model: str, wrong: set[str] | None) -> Sample:
    result = row.get("result")
    if isinstance(result, str) and result.startswith(_FAILED):
        answer = Answer(error=result[:500])
    else:
        answer = Answer.model_validate(bfcl.answer_of(result, where))
    return Sample(
        where=where,
        asked=asked.turn,
        rights=(asked.turn.gold,),
        model=model,
        answer=answer,
        verdict=None if wrong is None else row["id"] not in wrong,
    )


def _model(path: Path) -> str:
    """The folder of the model; BFCL groups the files in it (`live`, `non_live`)."""
    folder = path.absolute().parent
    return (folder.parent if folder.name in ("live", "non_live") else folder).name


def _wrong(path: Path) -> set[str] | None:
    """The ids that the score file lists as wrong; None where there is none."""
    parts = path.absolute().parts
    if "result" not in parts:
        return None
    place = len(parts) - 1 - parts[::-1].index("result")
    name = path.name.replace("_result.json", "_score.json")
    score = Path(*parts[:place], "score", *parts[place + 1 : -1], name)
    return {str(row.get("id")) for _, row in read_jsonl(score)} - {"None"} if score.is_file() else None
