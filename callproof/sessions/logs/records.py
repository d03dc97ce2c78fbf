"""A line of a log as a record in OpenAI's form of messages."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..dates import first_date
from .exchanges import BODIES, Exchange

_IDS = ("instance_id", "task_id")


def plain_record(row: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """The record of a conversation that ends with the answer of an exchange.

    Args:
        row: the line, whose `tags`, `metadata` and ids are kept.
        exchange: what was read from it.
    """
    kept = {key: row[key] for key in ("tags", "metadata", *_IDS) if row.get(key) is not None}
    named = exchange.session or (None if any(key in kept for key in _IDS) else exchange.request_id)
    return {
        **({"session_id": named} if named else {}),
        **kept,
        "at": first_date(_places(row)),
        "messages": [*exchange.messages, exchange.spoken],
        "tools": exchange.tools,
    }


def _places(row: Mapping[str, Any]) -> Iterator[Any]:
    """Where a line may say when it was logged: itself, its metadata, its bodies."""
    yield from (row, row.get("metadata"))
    for key in BODIES:
        body = _decoded(row.get(key))
        yield body
        yield _decoded(body.get("body")) if isinstance(body, dict) else None


def _decoded(body: Any) -> Any:
    if not isinstance(body, str) or not body.lstrip().startswith("{"):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
