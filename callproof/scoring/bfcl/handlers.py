"""How BFCL took the calls out of what each model wrote, before it compared them: one handler a family of models.

After `model_handler` of ShishirPatil/gorilla, August 2024. They are lenient and strict in their own ways, and a verdict
can be compared with a published one only if the answer is read alike; nothing else here reads so. What a handler cannot
read is no call: right where none is due, wrong elsewhere. So is an answer of which any part is something else than a
call with named arguments.
"""

import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from callproof.calls import ParsedAnswer, RefusedJSON, ToolCall, writable, writable_value
from callproof.catalog import Catalog
from callproof.turns import Turn

from .python_calls import Unreadable, python_calls


class Handler(NamedTuple):
    """`read` turns an answer into calls as `{name: arguments}`; `models` is a pattern of the names of its models.

    `source_names`: BFCL showed them tools by their names at the source (`math.gcd`), and wants those back; others have
    the dots as `_`.
    """

    models: str
    read: Callable[[str, Sequence[dict[str, Any]]], Any]
    says: str
    source_names: bool = True


class BfclReading(NamedTuple):
    """How answers of one model are read: by which of `HANDLERS`, and whether tools that were renamed for the wire are
    called by their names at the source.
    """

    handler: str
    source_names: bool

    def __call__(
        self, text: str, tool_calls: Sequence[dict[str, Any]] | None, turn: Turn, catalog: Catalog
    ) -> ParsedAnswer:
        """The calls of an answer to a turn with this catalog.

        Where tools are called by their names at the source, a call by the wire name is one of an unknown tool.
        """
        names: dict[str, str] = {}
        if self.source_names:
            names = {wire: f"{wire} (not {source})" for wire, source in turn.source_names.items()}
            names |= {source: wire for wire, source in turn.source_names.items()}
        items = read_items(self.handler, text, tool_calls)
        calls = [_tool_call(names.get(name, name), arguments) for item in items for name, arguments in item.items()]
        return ParsedAnswer.model_construct(
            calls=tuple(_listed(call, catalog) for call in calls),
            text="" if calls else text.strip(),
            attempts=len(calls),
            truncated=False,
            unclosed=0,
            decoded_strings=0,
        )


def read_items(handler: str, text: str, tool_calls: Sequence[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """The calls of an answer as `{name: arguments}`, as a handler reads them; none where it cannot. Never raises.

    Args:
        handler: one of `HANDLERS`.
        text: of the answer.
        tool_calls: of the answer, in OpenAI's form, where it has some.
    """
    try:
        items = HANDLERS[handler].read(text, tool_calls or ())
    except (Unreadable, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    return items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else []


def _tool_call(name: Any, arguments: Any) -> ToolCall:
    """The call, with values of Python that JSON lacks as text; arguments that are no object can never be right."""
    try:
        kept = writable_value(_kept(arguments))
    except (RefusedJSON, RecursionError):
        kept = None
    kept = kept if isinstance(kept, dict) else {"": kept}
    return ToolCall.model_construct(name=writable(str(name)) or "(no name)", arguments=kept)


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {writable(key if isinstance(key, str) else repr(key)): _kept(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_kept(item) for item in value)
    if isinstance(value, str):
        return writable(value)
    return value if value is None or isinstance(value, bool | int | float) else repr(value)


def _listed(call: ToolCall, catalog: Catalog) -> ToolCall:
    """The call with a list for each argument that is a tuple as declared; elsewhere a tuple is of the wrong type."""
    tool = catalog.by_name.get(call.name)
    declared = ((tool and tool.parameters) or {}).get("properties")
    if not isinstance(declared, dict):
        return call
    tuples = {key for key, schema in declared.items() if isinstance(schema, dict) and schema.get("format") == "tuple"}
    arguments = {
        key: list(value) if key in tuples and isinstance(value, tuple) else value
        for key, value in call.arguments.items()
    }
    return call.model_copy(update={"arguments": arguments})


def _tool_calls(_: str, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_served(call["function"]) for call in calls]


def _served(function: dict[str, Any]) -> dict[str, Any]:
    arguments = function["arguments"]
    if not isinstance(arguments, str | dict):
        raise Unreadable("arguments are no JSON text")
    return {function["name"]: json.loads(arguments) if isinstance(arguments, str) else arguments}


def _tool_calls_alone(text: str, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if text:
        raise Unreadable("text beside the calls")
    return _tool_calls(text, calls)


def _of_text(read: Callable[[str], Any]) -> Callable[[str, Sequence[dict[str, Any]]], Any]:
    """A reader of text, to which tool calls mean nothing."""
    return lambda text, _: read(text)


def _hermes(text: str) -> list[dict[str, Any]]:
    """The line after each line `<tool_call>`."""
    lines = text.split("\n")
    tags = ("<tool_call>", "</tool_call>")
    after = [line for tag, line in pairwise(lines) if tag == tags[0] and line not in tags]
    calls = [json.loads(line.replace("'", '"')) for line in after]
    return [{call["name"]: call["arguments"]} for call in calls]


def _glm(text: str) -> list[dict[str, Any]]:
    name, arguments, *_ = text.split("\n")
    return [{name: json.loads(arguments)}]


def _granite(text: str) -> list[dict[str, Any]]:
    calls = [json.loads(block) for block in map(str.strip, text.split("<function_call>")) if block]
    named = [(call.get("name", "").strip(), call.get("arguments", {})) for call in calls]
    if any(name == "no_function" for name, _ in named):
        raise Unreadable("declines to call")
    return [{name: arguments} for name, arguments in named]


def _xlam(text: str) -> list[dict[str, Any]]:
    value = json.loads(text)
    calls = value if isinstance(value, list) else value.get("tool_calls", [])
    return [{call.get("name", ""): call.get("arguments", {})} for call in calls if isinstance(call, dict)]


def _glaive(text: str) -> list[dict[str, Any]]:
    call = json.loads(text.split("<functioncall>")[-1].replace("'", ""))
    return [{call["name"]: {**call["arguments"]}}]


def _bracketed(text: str, space: str = "") -> str:
    begin = "" if text.startswith("[") else f"[{space}"
    end = "" if text.endswith("]") else f"{space}]"
    return f"{begin}{text}{end}"


def _claude(text: str) -> list[Any]:
    return python_calls(_bracketed(text[1:] if text[0] == " " else text))


def _nemotron(text: str) -> list[Any]:
    """In one line; where the list is one of strings, their quotes go."""
    line = _bracketed(text.replace("\n", ""), " ")
    if line.startswith("['"):
        line = line.replace("['", "[").replace("', '", ", ").replace("','", ", ")
    return python_calls(line.replace("']", "]") if line.endswith("']") else line)


def _dbrx(text: str) -> list[Any]:
    """Without single quotes, and where that is no Python, as it is."""
    try:
        unquoted = re.sub(r"'([^']*)'", r"\1", text).replace("\n    ", "")
        return python_calls(_bracketed(unquoted))
    except Unreadable:
        return python_calls(text)


def _deepseek(text: str) -> list[Any]:
    """The first list of the first fenced block, up to its first `]`."""
    block = text.split("```")[1]
    begin = block.index("[")
    return python_calls(block[begin : block.index("]", begin) + 1])


def _gemma(text: str) -> list[Any]:
    """From the first `[` to the last `]`."""
    begin = text.index("[")
    return python_calls(text[begin : text.rindex("]", begin) + 1])


def _raven(text: str) -> list[Any]:
    if "out_of_domain" in text:
        raise Unreadable("declines to call")
    return python_calls(f"[{text.removesuffix(';').replace(';', ',')}]")


HANDLERS: dict[str, Handler] = {
    "xlam": Handler(r"xlam", _of_text(_xlam), "JSON, a list of calls or `tool_calls` with one"),
    "tool_calls": Handler(
        r"^(?!.*gemini).*([-_]fc\b|functionary|firefunction|\byi-)",
        _tool_calls,
        "tool calls, arguments as JSON text or an object",
        source_names=False,
    ),
    "gemini": Handler(
        r"gemini", _tool_calls_alone, "as `tool_calls`; text beside makes them unreadable", source_names=False
    ),
    "hermes": Handler(
        r"hermes",
        _of_text(_hermes),
        "JSON in the line after `<tool_call>`, with `\"` for every `'`",
        source_names=False,
    ),
    "granite": Handler(r"granite", _of_text(_granite), "JSON after each `<function_call>`", source_names=False),
    "glm": Handler(r"glm", _of_text(_glm), "a name, and in the next line JSON", source_names=False),
    "glaive": Handler(r"glaive", _of_text(_glaive), "JSON after the last `<functioncall>`, without `'`"),
    "gpt": Handler(r"gpt-|\bo1-", _of_text(python_calls), "a Python list of calls, as it is"),
    "command_r": Handler(
        r"command-r",
        _of_text(lambda text: python_calls(_bracketed(text))),
        "a Python list of calls; brackets that are missing are added",
    ),
    "claude": Handler(r"claude", _of_text(_claude), "as `command_r`, without a leading blank"),
    "mistral": Handler(
        r"mistral|mixtral",
        _of_text(lambda text: python_calls(_bracketed(text.replace("\\_", "_")))),
        "as `command_r`, with `_` for `\\_`",
    ),
    "llama": Handler(
        r"llama", _of_text(lambda text: python_calls(_bracketed(text.replace("\n", "")))), "as `command_r`, in one line"
    ),
    "gorilla": Handler(
        r"gorilla|openfunctions", _of_text(lambda text: python_calls(f"[{text}]")), "as `gpt`, with brackets around it"
    ),
    "nemotron": Handler(r"nemotron|arctic", _of_text(_nemotron), "as `llama`, or a list of strings that hold calls"),
    "dbrx": Handler(r"dbrx|databricks", _of_text(_dbrx), "as `command_r`, first without single quotes, then as it is"),
    "deepseek": Handler(r"deepseek", _of_text(_deepseek), "the first `[...]` of a fenced block, as Python"),
    "gemma": Handler(r"gemma", _of_text(_gemma), "from the first `[` to the last `]`, as Python"),
    "raven": Handler(r"raven|nexus", _of_text(_raven), "Python calls with `;` between them"),
}
