"""The server's parsers of calls and of thinking: which ones the plan names, and which ones the installed vLLM has."""

import ast
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from callproof.calls.formats import FORMATS
from callproof.errors import UserError
from callproof.turns import CallFormat, call_format

from .adapter_sources import Source

Kind = Literal["tool_parsers", "reasoning"]
"""The package of vLLM that registers the parsers."""

KEYS: dict[Kind, str] = {"tool_parsers": "serve.tool_call_parser", "reasoning": "serve.reasoning_parser"}


def tool_call_parser(sources: Sequence[Source]) -> CallFormat:
    """The one tool-call parser of a server for all sources.

    Raises:
        UserError: it cannot be derived, two sources need different ones, or the installed vLLM does not have it.
    """
    lead, *others = sources
    parser = call_format(lead.config, lead.where)
    for other in others:
        if not _known(other):
            continue
        name = call_format(other.config, other.where).name
        if not _same(name, parser.name):
            key = KEYS["tool_parsers"]
            problem = f"{key} is {name!r}, but {lead.where} has {parser.name!r}, and a server has only one"
            raise UserError(other.where, problem, "make them equal, or start two servers")
    check_parser("tool_parsers", parser.name, lead.where)
    return parser


def check_parser(kind: Kind, name: str, where: object) -> None:
    """Raise a UserError if vLLM is installed and has no parser of that name."""
    names = vllm_parsers(kind)
    if names and name not in names:
        problem = f"{name!r} is no parser of the installed vLLM"
        raise UserError(f"{where}: {KEYS[kind]}", problem, f"name one of: {', '.join(sorted(names))}")


def vllm_parsers(kind: Kind) -> frozenset[str]:
    """The names that the installed vLLM registers; empty if vLLM is not installed or registers them otherwise.

    They are read from the source of vLLM's registry: importing vLLM takes seconds and needs torch.
    """
    spec = find_spec("vllm")
    files = [Path(place) / kind / "__init__.py" for place in (spec and spec.submodule_search_locations) or ()]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    tables = [node.value for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    keys = [key for table in tables if isinstance(table, ast.Dict) for key in table.keys]
    return frozenset(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _known(source: Source) -> bool:
    """Whether anything is known of a source's parser; a bare adapter folder says nothing of it."""
    return source.facts is None or KEYS["tool_parsers"] in source.facts


def _same(one: str, other: str) -> bool:
    """Whether two names are the same format; some parsers have several names."""
    return one == other or (one in FORMATS and other in FORMATS and FORMATS[one].name == FORMATS[other].name)
