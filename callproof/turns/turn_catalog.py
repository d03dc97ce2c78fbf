"""The catalog that the answers to a turn are judged by."""

import json
from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import to_json

from callproof.catalog import Catalog, Tool
from callproof.errors import UserError
from callproof.records import explain

from .turns import Turn


def catalog_of(turn: Turn) -> Catalog:
    """The turn's own catalog; turns with the same tools, in any order, share one object.

    Raises:
        UserError: a tool without a name, or a name twice.
    """
    try:
        return _catalog(tuple(sorted(map(to_json, turn.catalog))))
    except ValueError as error:
        problem = explain(error) if isinstance(error, ValidationError) else str(error)
        raise UserError(f"turn {turn.turn_id!r}", f"tools: {problem}", "see OpenAI's function form") from None


@lru_cache(maxsize=4096)
def _catalog(tools: tuple[bytes, ...]) -> Catalog:
    return Catalog(tools=tuple(map(_tool, tools)))


@lru_cache(maxsize=65536)
def _tool(text: bytes) -> Tool:
    return Catalog.from_wire([json.loads(text)]).tools[0]
