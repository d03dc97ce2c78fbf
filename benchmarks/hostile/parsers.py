"""The parser of every format, on calls that it must read back, on spoiled ones, and on heaps of tags."""

import json
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

from callproof.calls import MalformedCall, ToolCall, calls_with_ends, parse_answer, parse_served, render, writable
from callproof.calls.formats import FORMATS, tools_of
from callproof.catalog import Catalog
from serve.talk.reading import Reading, read_forming, read_whole

from .trial import MARKS, WORDS, Trial, json_value, plain_text, spoiled_text

NAMES = sorted({form.name for form in FORMATS.values()})
TAGS = sorted(
    {
        tag
        for form in FORMATS.values()
        for tag in (*form.openings, *form.special_tags, *form.wrappers, *form.ends, *form.thinking)
    }
)
SOUP = (
    *TAGS,
    *MARKS,
    *WORDS,
    *('{"name": "find"', '"arguments": {', '"parameters": {}', '"name":', "}}", "NaN", "1e999", "9" * 4301, "[" * 70),
    *("<parameter=n>", "</parameter>", "</function>", "<arg_key>", "<arg_value>", "find(n=1)", "[find(", "```json\n"),
    *("<function=find>", '<invoke name="find">', '<parameter name="n">', "</invoke>", "call:find{", "Action: find\n"),
)


def trial(rng: Random) -> Trial:
    """One answer in one format."""
    done, name = Trial(), rng.choice(NAMES)
    kind = rng.random()
    calls = [_call(rng) for _ in range(rng.randrange(1, 4))]
    if kind < 0.3:
        _read_back(done, calls, name)
    elif kind < 0.7:
        _any_text(
            done,
            rng,
            spoiled_text(rng, render(calls, rng.choice((name, name, name, rng.choice(NAMES)))), SOUP),
            name,
            calls,
        )
    elif kind < 0.95:
        text = "".join(rng.choice(SOUP) for _ in range(rng.randrange(1, rng.choice((4, 12, 40)))))
        _any_text(done, rng, text, name, calls)
    else:
        _served(done, rng, name)
    return done


def _call(rng: Random) -> ToolCall:
    keys = {rng.choice("abnxyz") + rng.choice(("", "_1", "city")) for _ in range(rng.randrange(4))}
    return ToolCall(name=rng.choice(("find", "get_it")), arguments={key: json_value(rng) for key in sorted(keys)})


def _schemas(calls: list[ToolCall]) -> dict[str, Any]:
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(calls)}


def _read_back(done: Trial, calls: list[ToolCall], name: str) -> None:
    calls = calls[:1]  # two calls of a tool may give its parameters two types
    text = render(calls, name)
    answer = done.run((name, text), lambda: parse_answer(text, "stop", name, _schemas(calls)))
    if answer is not None:
        same = _json(answer.calls) == _json(calls)
        done.expect(same, "not read back", (name, text, _json(calls)))


def _json(calls: Any) -> list[Any]:
    return [json.dumps([call.name, call.arguments]) if isinstance(call, ToolCall) else call.reason for call in calls]


def _any_text(done: Trial, rng: Random, text: str, name: str, calls: list[ToolCall]) -> None:
    shown, tools = (name, text), _schemas(calls)
    reason, prefilled = rng.choice((None, "stop", "length")), rng.random() < 0.2
    answer = done.run(shown, lambda: parse_answer(text, reason, name, tools, prefilled))
    if answer is None:
        return
    text = writable(text)
    done.counts["calls"] += sum(isinstance(call, ToolCall) for call in answer.calls)
    json.dumps([call.model_dump() for call in answer.calls]).encode()
    whole = [call.text in text for call in answer.calls if isinstance(call, MalformedCall)]
    done.expect(all(whole), "a malformed call that is not in the text", shown)
    done.expect(answer.attempts == len(answer.calls), "attempts are not its calls", shown)
    again = parse_answer(text, reason, name, tools, prefilled)
    done.expect(again == answer, "read again, it is another answer", shown)
    _ends(done, text, name, tools)
    _in_pieces(done, rng, text, name, calls, prefilled)


def _ends(done: Trial, text: str, name: str, tools: dict[str, Any]) -> None:
    """No call is there before the text has come up to its end."""
    for number, (call, end) in enumerate(calls_with_ends(text, None, name, tools)[:3]):
        before = [call for call, _ in calls_with_ends(text[: end - 1], None, name, tools)]
        early = len(before) > number and before[number] == call
        done.expect(not early, f"call {number} is whole before {end}", (name, text))


def _in_pieces(done: Trial, rng: Random, text: str, name: str, calls: list[ToolCall], prefilled: bool) -> None:
    """What is shown while it comes only grows, and ends as the whole."""
    catalog = Catalog.from_wire(tools_of(calls))
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(2))

    def forming(cut: int) -> Reading:
        return read_forming(text[:cut], catalog, name, prefilled)

    readings = [done.run((name, text, cut), partial(forming, cut)) for cut in cuts]
    readings.append(done.run((name, text), lambda: read_whole(text, catalog, None, name, prefilled)))
    if None not in readings:
        good = all(_grows(*pair) for pair in pairwise(readings))
        done.expect(good, f"what was shown at {cuts} is taken back", (name, prefilled, text))


def _grows(before: Reading, after: Reading) -> bool:
    return (
        after.text.startswith(before.text)
        and after.thinking.startswith(before.thinking)
        and after.calls[: len(before.calls)] == before.calls
    )


def _served(done: Trial, rng: Random, name: str) -> None:
    entries = [
        {"function": {"name": json_value(rng, 1), "arguments": rng.choice((plain_text(rng), json_value(rng), "{}"))}}
        for _ in range(rng.randrange(3))
    ]
    entries = rng.choice((entries, [json_value(rng)]))
    text = "".join(rng.choice(SOUP) for _ in range(rng.randrange(6)))
    done.run((name, entries, text), lambda: parse_served(entries, text, rng.choice((None, "length")), name))
