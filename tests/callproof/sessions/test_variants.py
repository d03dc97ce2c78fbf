"""One conversation in every mixture of the ways in which people write its parts down reads as the same session."""

import csv
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seen_sessions import seen

from callproof.sessions import read_sessions, to_session

Record = dict[str, Any]
Talk = list[dict[str, Any]]

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
FLAT = {"name": "get_weather", "description": "Weather of a city.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FLAT}
OTHER = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {
    "type": "object", "properties": {"zone": {"type": ["string", "null"], "enum": ["CET", None]}}}}}  # fmt: skip
ARGUMENTS: list[dict[str, Any]] = [{"city": "Thun", "days": 2}, {}]
WANTED = [
    "system: Be brief.", "tools: get_weather, now", "user: Thun?",
    'assistant: I look. get_weather{"city": "Thun", "days": 2} now{}', 'tool: {"celsius": 9}', "tool: 12:04",
    "assistant: Nine.",
]  # fmt: skip
"""What each record says, whatever its form."""

NO_ARGUMENTS: list[Any] = [{}, "{}", "", None, "null"]
TOOLS: dict[str, Callable[[], Record]] = {
    "a list": lambda: {"tools": [TOOL, OTHER]},
    "JSON text": lambda: {"tools": json.dumps([TOOL, OTHER], indent=1)},
    "a list of JSON texts": lambda: {"tools": [json.dumps(TOOL), json.dumps(OTHER["function"])]},
    "JSON texts in lines": lambda: {"tools": f"{json.dumps(TOOL)}\n{json.dumps(OTHER)}\n"},
    "JSON text in JSON text": lambda: {"tools": json.dumps(json.dumps([TOOL, OTHER]))},
    "flat": lambda: {"tools": [FLAT, OTHER["function"]]},
    "functions": lambda: {"functions": [FLAT, OTHER["function"]]},
    "by name": lambda: {"tools": {"get_weather": SCHEMA, "now": OTHER["function"]}},
    "MCP": lambda: {"tools": [_renamed(tool, "inputSchema") for tool in (FLAT, OTHER["function"])]},
    "Anthropic": lambda: {"tools": [_renamed(tool, "input_schema") for tool in (FLAT, OTHER["function"])]},
    "Gemini": lambda: {"tools": [{"functionDeclarations": [FLAT, OTHER["function"]]}]},
    "with nulls": lambda: {"tools": [{**TOOL, "strict": None, "function": {**FLAT, "strict": None}}, OTHER]},
    "Python's literal": lambda: {"tools": str([TOOL, OTHER])},
    "in a group": lambda: {"tools": {"tools": [TOOL, OTHER]}},
}
CALLS: dict[str, Callable[[list[Any]], Talk]] = {
    "OpenAI": lambda held: [_calling([_openai(number, written) for number, written in enumerate(held)])],
    "flat": lambda held: [_calling([{"name": _name(n), "args": written} for n, written in enumerate(held)])],
    "an id each, one message each": lambda held: [
        {"role": "assistant", "content": "I look."},
        *({"role": "assistant", "content": "", "function_call": {"name": _name(n), "arguments": written}}
          for n, written in enumerate(held)),
    ],
    "JSON text": lambda held: [
        {**_calling([]), "tool_calls": json.dumps([_openai(n, written) for n, written in enumerate(held)])}],
    "JSON texts": lambda held: [_calling([json.dumps(_openai(n, written)) for n, written in enumerate(held)])],
    "parts": lambda held: [{"role": "assistant", "content": [{"type": "text", "text": "I look."}, *(
        {"type": "tool_use", "id": str(n), "name": _name(n), "input": written} for n, written in enumerate(held))]}],
    "a role": lambda held: [
        {"role": "assistant", "content": "I look."},
        *({"role": "function_call", "content": json.dumps({"name": _name(n), "arguments": written})}
          for n, written in enumerate(held)),
    ],
    "in the text": lambda held: [{"role": "assistant", "content": "I look.\n" + "\n".join(
        f"<tool_call>\n{json.dumps({'name': _name(n), 'arguments': written or {}})}\n</tool_call>"
        for n, written in enumerate(held))}],
}  # fmt: skip
RESULTS: dict[str, Callable[[], Talk]] = {
    "by id": lambda: [
        {"role": "tool", "tool_call_id": "0", "content": '{"celsius": 9}'},
        {"role": "tool", "tool_call_id": "1", "content": "12:04"},
    ],
    "in order": lambda: [{"role": "tool", "content": {"celsius": 9}}, {"role": "tool", "content": "12:04"}],
    "observations": lambda: [
        {"role": "observation", "content": {"celsius": 9}},
        {"role": "ipython", "content": "12:04"},
    ],
    "functions": lambda: [
        {"role": "function", "name": "get_weather", "content": '{"celsius": 9}'},
        {"role": "function", "name": "now", "content": "12:04"},
    ],
    "of the user": lambda: [{"role": "user", "content": '<tool_response>{"celsius": 9}</tool_response>\n'
                                                        "<tool_response>\n12:04\n</tool_response>"}],
}  # fmt: skip
TALKS: dict[str, Callable[[Talk], Record]] = {
    "messages": lambda talk: {"messages": talk},
    "JSON text": lambda talk: {"messages": json.dumps(talk)},
    "JSON texts": lambda talk: {"messages": [json.dumps(message) for message in talk]},
    "a list in a list": lambda talk: {"messages": [talk]},
    "conversations": lambda talk: {"conversations": [_sharegpt(message) for message in talk]},
    "conversations by role": lambda talk: {"conversations": talk},
    "dialogue": lambda talk: {"dialogue": talk},
    "traj": lambda talk: {"traj": talk},
    "messages in messages": lambda talk: {"messages": {"messages": talk}},
    "with nulls": lambda talk: {
        "messages": [{**_NULLS, **message} for message in talk],
        "response": None,
        "tags": None,
    },
}
_NULLS = dict.fromkeys(("name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "weight"))
CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "capital": str.capitalize}
WRAPS: dict[str, Callable[[Record], Record]] = {
    "none": lambda record: record,
    "data": lambda record: {"id": 1, "data": record},
    "row": lambda record: {"row": record, "truncated": 0},
}


def _name(number: int) -> str:
    return ("get_weather", "now")[number]


def _renamed(tool: Record, key: str) -> Record:
    return {"name": tool["name"], "description": tool["description"], key: tool["parameters"]}


def _openai(number: int, written: Any) -> Record:
    return {"id": str(number), "type": "function", "function": {"name": _name(number), "arguments": written}}


def _calling(calls: list[Any]) -> Record:
    return {"role": "assistant", "content": "I look.", "tool_calls": calls}


def _sharegpt(message: Record) -> Record:
    speakers = {"user": "human", "assistant": "gpt"}
    rest = {key: value for key, value in message.items() if key not in ("role", "content")}
    role = str(message["role"])
    speaker = speakers.get(role.lower(), role)
    return {"from": speaker.upper() if role.isupper() else speaker, "value": message["content"], **rest}


def _mixture(chance: random.Random) -> tuple[Record, str]:
    """A record of parts drawn by chance, and which they are."""
    parts = [chance.choice(list(ways)) for ways in (TOOLS, CALLS, RESULTS, TALKS, CASES, WRAPS)]
    tools, calls, results, talk, case, wrap = parts
    object_or_text = chance.choice([ARGUMENTS[0], json.dumps(ARGUMENTS[0]), json.dumps(json.dumps(ARGUMENTS[0]))])
    held = [object_or_text, chance.choice(NO_ARGUMENTS)]
    if calls == "in the text":
        held = [ARGUMENTS[0], {}]
    messages = [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Thun?"}, *CALLS[calls](held),
        *RESULTS[results](), {"role": "assistant", "content": "Nine."},
    ]  # fmt: skip
    messages = [{**message, "role": CASES[case](message["role"])} for message in messages]
    return WRAPS[wrap]({**TALKS[talk](messages), **TOOLS[tools]()}), f"{parts} {held}"


def test_every_mixture_reads_as_the_same_session() -> None:
    chance = random.Random(20)
    for _ in range(1500):
        record, parts = _mixture(chance)
        assert seen(to_session(json.loads(json.dumps(record)), "here", "here")) == WANTED, parts


RECORD: Record = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Thun?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [_openai(0, ARGUMENTS[0]), _openai(1, {})]},
        {"role": "tool", "tool_call_id": "0", "content": '{"celsius": 9}'},
        {"role": "tool", "tool_call_id": "1", "content": "12:04"},
        {"role": "assistant", "content": "Nine."},
    ],
    "tools": [TOOL, OTHER],
}


def _lines(records: list[Record], end: str = "\n") -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + end for record in records).encode()


FILES: dict[str, Callable[[list[Record]], bytes]] = {
    "lines.jsonl": _lines,
    "lines.ndjson": _lines,
    "crlf.jsonl": lambda records: _lines(records, "\r\n"),
    "bom.jsonl": lambda records: b"\xef\xbb\xbf" + _lines(records),
    "blank.jsonl": lambda records: _lines(records, "\n\n"),
    "no_end.jsonl": lambda records: _lines(records).rstrip(),
    "one_line.jsonl": lambda records: _lines(records, " "),
    "array.json": lambda records: json.dumps(records).encode(),
    "array_of_lines.json": lambda records: b"[\n" + _lines(records, ",\n").rstrip(b",\n") + b"\n]\n",
    "printed.json": lambda records: json.dumps(records, indent=2).encode(),
    "printed_one_by_one.json": lambda records: "\n".join(json.dumps(one, indent=4) for one in records).encode(),
    "bom_printed.json": lambda records: b"\xef\xbb\xbf" + json.dumps(records, indent=2).replace("\n", "\r\n").encode(),
    "wrapped.json": lambda records: json.dumps({"data": records}).encode(),
    "wrapped_printed.json": lambda records: json.dumps({"version": 1, "data": records}, indent=1).encode(),
    "lines.jsonl.gz": lambda records: gzip.compress(_lines(records)),
    "wrapped.json.gz": lambda records: gzip.compress(json.dumps({"rows": records}).encode()),
}


@pytest.mark.parametrize("name", FILES)
def test_every_way_to_write_records_into_a_file_is_read(tmp_path: Path, name: str) -> None:
    records = [{"id": str(number), **RECORD} for number in range(3)]
    (tmp_path / name).write_bytes(FILES[name](records))
    assert [seen(session) for _, session in read_sessions(tmp_path / name)] == [WANTED] * 3


def _tables(folder: Path, records: list[Record]) -> list[Path]:
    """The records as CSV with JSON in its cells, and as Parquet with JSON text and with structs."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = [{key: value if key == "id" else json.dumps(value) for key, value in record.items()} for record in records]
    with (folder / "cells.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(texts[0]))
        writer.writeheader()
        writer.writerows(texts)
    parquet.write_table(pyarrow.Table.from_pylist(texts), folder / "texts.parquet")
    plain = json.loads(
        json.dumps(records).replace('["string", "null"]', '"string"').replace('["CET", null]', '["CET"]')
    )
    parquet.write_table(pyarrow.Table.from_pylist(plain), folder / "structs.parquet")
    return [folder / name for name in ("cells.csv", "texts.parquet", "structs.parquet")]


def test_tables_hold_the_same_sessions_and_their_structs_the_same_schemas(tmp_path: Path) -> None:
    for path in _tables(tmp_path, [{"id": str(number), **RECORD} for number in range(2)]):
        sessions = [session for _, session in read_sessions(path)]
        assert [seen(session) for session in sessions] == [WANTED] * 2, path.name
        weather = sessions[0].tools and sessions[0].tools.tools[0].parameters
        assert weather == SCHEMA, path.name


def test_a_folder_of_all_of_them_is_read_whole(tmp_path: Path) -> None:
    deep = tmp_path / "deep" / "er"
    deep.mkdir(parents=True)
    paths = _tables(deep, [_asking("a table")])
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content([_asking(name)]))
    asked = [session.messages[0].content for _, session in read_sessions(tmp_path)]
    assert sorted(set(asked)) == sorted(["a table", *FILES])
    assert len(paths) == 3


def _asking(question: str) -> Record:
    messages = [{**message} for message in RECORD["messages"]]
    messages[1]["content"] = question
    return {"id": question, "messages": messages, "tools": [TOOL, OTHER]}
