"""Endless dialogues: how the base model learns to read a catalog, to decide, to call, to copy and to abstain.

Nothing here comes from the two domains. Half of the lessons have random tools, parameters and phrasings, half take
place in one of the businesses of `services`. A lesson is a conversation in the wire form of `callproof.turns.prompt`,
its difficulty set by `Level`.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from callproof.calls import ToolCall
from callproof.sessions import Message
from callproof.turns import Conversation, wire_messages

from . import phrases, services
from .lexicon import NOUNS, invented
from .toolmaker import LessonTool, Param, Said, make_tool
from .values import code, codes, title


@dataclass(frozen=True)
class Level:
    """How hard a lesson is: tools in the catalog, exchanges with the user, words of system text.

    A `bare` lesson is one request and one call. `simple` tools have one or two plain parameters. `service` is the
    share of lessons in a business; there at most `tools` of its tools are shown.
    """

    tools: tuple[int, int]
    exchanges: tuple[int, int]
    bare: bool = False
    simple: bool = False
    system: bool = False
    service: float = 0.5


BARE = Level(tools=(1, 1), exchanges=(1, 1), bare=True, simple=True, service=0.3)
DENSE = Level(tools=(2, 6), exchanges=(5, 9), simple=True, service=0.65)
MEDIUM = Level(tools=(2, 6), exchanges=(3, 6), service=0.7)
FULL = Level(tools=(6, 11), exchanges=(4, 7), system=True, service=0.8)


@dataclass
class _Lesson:
    """A conversation in the making; in a business, `absent` are tools that nobody here has."""

    rng: random.Random
    tools: list[LessonTool]
    absent: list[LessonTool]
    brief: bool
    messages: list[Message] = field(default_factory=list)
    last_id: str = ""
    items: list[tuple[str, str]] = field(default_factory=list)  # (name, id) of what a search has listed

    def user(self, text: str) -> None:
        self.messages.append(Message(role="user", content=text))

    def reply(self, text: str) -> None:
        self.messages.append(Message(role="assistant", content=text))

    def call(self, *calls: ToolCall) -> None:
        self.messages.append(Message(role="assistant", tool_calls=calls))


def lesson(rng: random.Random, level: Level) -> Conversation:
    """One conversation, tools in random order."""
    tools, absent = _catalog(rng, level)
    state = _Lesson(rng, tools, absent, brief=level.simple)
    if level.bare:
        _call(state, tools[0], tools[0].fill(rng))
    else:
        for _ in range(rng.randint(*level.exchanges)):
            _exchange(state)
    wire = wire_messages(tuple(state.messages))
    if level.system:
        wire.insert(0, {"role": "system", "content": phrases.system_text(rng)})
    return Conversation(messages=tuple(wire), tools=tuple(tool.wire() for tool in tools))


def _catalog(rng: random.Random, level: Level) -> tuple[list[LessonTool], list[LessonTool]]:
    """The tools of a lesson, and those of the same business and of another one that it does not have."""
    count = rng.randint(*level.tools)
    if rng.random() < level.service:
        known, others = ([tool.draw(rng) for tool in tools] for tools in rng.sample(services.services(), 2))
        known = [tool for tool in known if len(tool.params) <= 2] if level.simple else known
        rng.shuffle(known)
        made, absent = known[:count], [*known[count:], *others]
    else:
        made, absent = [make_tool(rng, simple=level.simple) for _ in range((count + 1) // 2)], []
        nouns = [tool.noun for tool in made]
        made += [make_tool(rng, near=rng.choice(nouns), simple=level.simple) for _ in range(count // 2)]
    by_name = {tool.name: tool for tool in made}
    return list(by_name.values()), absent


def _exchange(state: _Lesson) -> None:
    weights = [2.5 if any(param.kind == "object" for param in tool.params) else 1.0 for tool in state.tools]
    tool = state.rng.choices(state.tools, weights)[0]
    kinds = [_request, _missing, _small_talk, _out_of_scope, _parallel, _correction, _search_then_pick, _refer]
    kind = state.rng.choices(kinds, weights=(24, 28, 5, 15, 14, 13, 12, 12))[0]
    kind(state, tool)


def _call(state: _Lesson, tool: LessonTool, said: dict[Param, Said], spoken_last: Param | None = None) -> None:
    """The request of a customer and the call that it asks for."""
    state.user(phrases.request(state.rng, tool, said, spoken_last))
    _make(state, tool, said)


def _make(state: _Lesson, tool: LessonTool, said: dict[Param, Said]) -> None:
    """The call; what it was about is what "it" means from now on."""
    state.call(ToolCall(name=tool.name, arguments=tool.arguments(said)))
    if tool.id_param:
        state.last_id = said[tool.id_param][1]


def _result(state: _Lesson, tool: LessonTool, values: dict[str, Any]) -> None:
    """The tool's answer and the assistant's sentence about it."""
    rng = state.rng
    if state.brief:
        state.messages.append(Message(role="tool", name=tool.name, content='{"status": "ok"}'))
        return state.reply("Done.")
    body: dict[str, Any] = {rng.choice(("id", "reference", f"{tool.noun.replace(' ', '_')}_id", "status")): code(rng)}
    scalars = [key for key, value in values.items() if isinstance(value, str)]
    if scalars and rng.random() < 0.5:
        key = rng.choice(scalars)
        body[key] = values[key]
    state.messages.append(Message(role="tool", name=tool.name, content=json.dumps(body, ensure_ascii=False)))
    return state.reply(phrases.done(rng, tool.noun, list(body.values())) if rng.random() < 0.4 else "Done.")


def _request(state: _Lesson, tool: LessonTool) -> None:
    said = tool.fill(state.rng)
    _call(state, tool, said)
    _result(state, tool, tool.arguments(said))


def _missing(state: _Lesson, tool: LessonTool) -> None:
    """A required argument is missing: ask for it; once it is there, call."""
    required = [param for param in tool.params if param.required]
    if not required:
        return _request(state, tool)
    rng, said = state.rng, tool.fill(state.rng)
    lacking = rng.choice(required)
    first = {param: value for param, value in said.items() if param is not lacking}
    missed, answer, spoken_last = lacking, said[lacking], None
    if lacking.kind == "code" and rng.random() < 0.4:
        first[lacking], spoken_last = (phrases.vague(rng, title(rng)), None), lacking
    elif lacking.kind == "object" and rng.random() < 0.6:
        parts = lacking.say_parts(rng)
        missed = rng.choice([part for part in parts if part.required])
        if len(parts) > 1:
            first[lacking] = lacking.together(rng, parts, hidden=missed)
        said, answer = {**said, lacking: lacking.together(rng, parts)}, parts[missed]
    state.user(phrases.request(rng, tool, first, spoken_last))
    state.reply(phrases.ask(rng, missed))
    state.user(phrases.supply(rng, missed, answer))
    _make(state, tool, said)
    return _result(state, tool, tool.arguments(said))


def _small_talk(state: _Lesson, _: LessonTool) -> None:
    user, answer = state.rng.choice(services.small_talk())
    state.user(user)
    state.reply(answer)


def _out_of_scope(state: _Lesson, tool: LessonTool) -> None:
    """A wish of another world, of another business, or for a tool that this business does not show."""
    rng = state.rng
    if tool.requests and rng.random() < 0.6:
        state.user(rng.choice(services.elsewhere()) + rng.choice(("", ".", "?")))
        return state.reply(phrases.refuse(rng))
    if tool.requests:
        other = rng.choice(state.absent)
    else:
        other = make_tool(rng, avoid={known.noun for known in state.tools}, simple=state.brief)
    state.user(phrases.request(rng, other, other.fill(rng)))
    return state.reply(phrases.refuse(rng))


def _parallel(state: _Lesson, tool: LessonTool) -> None:
    rng = state.rng
    second = rng.choice(state.tools)
    if tool.id_param and rng.random() < 0.45:
        return _each(state, tool, tool.id_param)
    first_said, second_said = tool.fill(rng), second.fill(rng)
    if tool.id_param and second.id_param and tool is not second and rng.random() < 0.6:
        second_said[second.id_param] = (phrases.it(rng), first_said[tool.id_param][1])
    first, then = tool.arguments(first_said), second.arguments(second_said)
    if first == then and tool is second:
        return _request(state, tool)
    state.user(phrases.both(rng, phrases.request(rng, tool, first_said), phrases.request(rng, second, second_said)))
    return _make_both(state, (tool, second), (first, then))


def _each(state: _Lesson, tool: LessonTool, id_param: Param) -> None:
    """The same for two things: two calls that differ in the id."""
    rng, said = state.rng, tool.fill(state.rng)
    known = [(code, code) for code in codes(rng, id_param.name, 2)]
    if len(state.items) > 1 and rng.random() < 0.6:
        known = [(rng.choice((name, f"the {name}")), code) for name, code in state.items]
    one, other = rng.sample(known, 2)
    text = phrases.request(rng, tool, {**said, id_param: (phrases.pair(rng, one[0], other[0]), None)})
    state.user(text)
    return _make_both(state, (tool, tool), [tool.arguments({**said, id_param: thing}) for thing in (one, other)])


def _make_both(state: _Lesson, tools: tuple[LessonTool, LessonTool], arguments: Sequence[dict[str, Any]]) -> None:
    rng = state.rng
    state.call(*(ToolCall(name=tool.name, arguments=values) for tool, values in zip(tools, arguments, strict=True)))
    for tool in tools:
        state.messages.append(Message(role="tool", name=tool.name, content=json.dumps({"id": code(rng)})))
    return state.reply("Done.")


def _correction(state: _Lesson, tool: LessonTool) -> None:
    """The user changes one value after the call; the call is made again with the rest as it was."""
    rng, said = state.rng, tool.fill(state.rng)
    _call(state, tool, said)
    _result(state, tool, tool.arguments(said))
    changeable = [param for param in said if param.kind not in ("bool", "list")]
    if changeable:
        param = rng.choice(changeable)
        wrong, value = param, param.say(rng)
        if param.kind == "object":
            before = said[param][1]
            wrong = rng.choice([part for part in param.parts if part.name in before])
            value = wrong.say(rng)
            said = {**said, param: ("", {**before, wrong.name: value[1]})}
        else:
            said = {**said, param: value}
        state.user(phrases.correct(rng, wrong, value))
        _make(state, tool, said)
        _result(state, tool, tool.arguments(said))


def _refer(state: _Lesson, tool: LessonTool) -> None:
    """What the last call was about is now "it"; what was listed has a name."""
    rng = state.rng
    if tool.id_param is None or not (state.last_id or state.items):
        return _request(state, tool)
    known = (phrases.it(rng), state.last_id)
    if state.items and (not state.last_id or rng.random() < 0.6):
        name, known_id = rng.choice(state.items)
        known = (rng.choice((name, f"the {name}", f"my {name}")), known_id)
    said = {**tool.fill(rng), tool.id_param: known}
    _call(state, tool, said, spoken_last=tool.id_param)
    return _result(state, tool, tool.arguments(said))


def _search_then_pick(state: _Lesson, tool: LessonTool) -> None:
    """A search lists items; the user picks one by name or place, and the next call needs its id."""
    rng = state.rng
    picker = next((known for known in state.tools if known.id_param), None)
    if state.brief or picker is None or picker.id_param is None or picker is tool:
        return _request(state, tool)
    _call(state, tool, tool.fill(rng))
    state.items = items = _items(rng, picker.id_param)
    body = {rng.choice(("results", "items", f"{tool.noun.replace(' ', '_')}s", rng.choice(NOUNS))): _rows(rng, items)}
    state.messages.append(Message(role="tool", name=tool.name, content=json.dumps(body, ensure_ascii=False)))
    state.reply(phrases.listed(rng, tool.noun, [item[0] for item in items]))
    place = rng.randrange(len(items))
    picked = (phrases.pick(rng, items[place][0], place, len(items)), items[place][1])
    said = {**picker.fill(rng), picker.id_param: picked}
    _call(state, picker, said, spoken_last=picker.id_param)
    return _result(state, picker, picker.arguments(said))


def _items(rng: random.Random, id_param: Param) -> list[tuple[str, str]]:
    """(name, id) of one to four things, ids of one kind."""
    named = rng.random() < 0.65
    names = list(dict.fromkeys(title(rng) if named else rng.choice(NOUNS) for _ in range(rng.randint(1, 5))))
    return list(zip(names, codes(rng, id_param.name, len(names)), strict=True))


def _rows(rng: random.Random, items: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Items as a tool lists them: fields in any order, some that do not matter."""
    keys = rng.choice((("name", "id"), ("title", "id"), ("name", "reference"), ("type", "number"),
                       ("label", invented(rng, False))))  # fmt: skip
    order = [*keys, *rng.sample(("price", "status", "size", "year", "place"), rng.randint(0, 2))]
    rng.shuffle(order)
    rows = []
    for item in items:
        known = dict(zip(keys, item, strict=True))
        rows.append({key: known.get(key) or rng.choice((rng.randint(1, 2000), rng.choice(NOUNS))) for key in order})
    return rows
