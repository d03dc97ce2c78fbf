"""A run as one tidy pandas table; see `load_run`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from callproof.errors import UserError
from callproof.records import MAX_NUMBER
from callproof.scoring import Outcome

from ..runs import read_outcomes

if TYPE_CHECKING:
    from pandas import DataFrame

_PLAIN = ("turn_id", "session_id", "model", "channel", "repeat", "position", "catalog_size", "outcome")
_LISTS = ("tags", "labels", "reasons", "tools")
_STRINGS = ("turn_id", "session_id", "model", "channel", "outcome", "gold", "calls", "text", "finish_reason", "error")
_TOKENS = ("prompt_tokens", "completion_tokens")
_NUMBERS = ("alternative", "requests", *_TOKENS)


def load_run(path: Path | str) -> "DataFrame":
    """The outcomes of a run, a row a turn and model (and channel and repeat, where there are several).

    Args:
        path: a run's folder, or an outcomes file: `.jsonl`, or `.parquet` (which needs pyarrow) as `to_parquet` of
            such a table writes it. Of a folder with both, outcomes.jsonl is read.

    Returns:
        Columns: `turn_id`, `session_id`, `model`, `channel`, `repeat`, `position`, `catalog_size`, `outcome`, `exact`
        (bool); lists `tags`, `labels`, `reasons` and `tools` (names in gold); JSON texts `gold` and `calls`; of the
        answer `text`, `finish_reason`, `error`, `requests`, `latency_s`, `prompt_tokens`, `completion_tokens`; and
        every count of `callproof.scoring.counts.Counts` as `n_<count>`.

    Raises:
        UserError: nothing there, or a malformed line (`path:line`).
    """
    path = Path(path)
    if path.is_dir():
        path = next((file for name in ("jsonl", "parquet") if (file := path / f"outcomes.{name}").exists()), path)
    if path.is_dir() or not path.exists():
        raise UserError(path, "holds no outcomes.jsonl or outcomes.parquet", "give a run's folder, or such a file")
    return _of_parquet(path) if path.suffix == ".parquet" else _of_outcomes(path)


def _of_outcomes(path: Path) -> "DataFrame":
    from pandas import DataFrame

    types = {**dict.fromkeys(_STRINGS, "string"), **dict.fromkeys(_NUMBERS, "Int64"), "latency_s": "float64"}
    rows = [_row(outcome) for outcome in read_outcomes(path)]
    if not rows:
        raise UserError(path, "holds no outcomes", "finish the run with --resume")
    return DataFrame(rows).astype(types)


def _row(outcome: Outcome) -> dict[str, Any]:
    answer, usage = outcome.answer, outcome.answer.usage or {}
    return {
        **{name: getattr(outcome, name) for name in _PLAIN},
        "alternative": outcome.alternative,
        "exact": outcome.outcome == "ok",
        "tags": list(outcome.tags),
        "labels": list(outcome.labels),
        "reasons": list(outcome.reasons),
        "tools": list(dict.fromkeys(call.name for call in outcome.gold)),
        "gold": _json(outcome.gold),
        "calls": _json(outcome.calls),
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "error": answer.error,
        "requests": answer.requests,
        "latency_s": answer.latency_s,
        **{name: _tokens(usage.get(name)) for name in _TOKENS},
        **{f"n_{name}": count for name, count in outcome.counts},
    }


def _tokens(number: Any) -> int | None:
    """A token count as the server reports it; None if it is not a plausible number."""
    return number if type(number) is int and 0 <= number <= MAX_NUMBER else None


def _json(calls: Iterable[BaseModel]) -> str:
    return json.dumps([call.model_dump(mode="json", exclude_defaults=True) for call in calls], ensure_ascii=False)


def _of_parquet(path: Path) -> "DataFrame":
    try:
        from pandas import read_parquet

        table = read_parquet(path, engine="pyarrow")
    except (ImportError, OSError, ValueError) as error:
        mend = "install pyarrow" if isinstance(error, ImportError) else "write it with load_run(run).to_parquet(path)"
        raise UserError(path, f"cannot be read as Parquet ({str(error).splitlines()[0]})", mend) from None
    for name in _LISTS:
        table[name] = [list(values) for values in table[name]]
    return table
