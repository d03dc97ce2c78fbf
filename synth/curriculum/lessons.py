"""Endless dialogues with random tools: how the base model learns to read a catalog, to call, to copy and to abstain.

Nothing here comes from the two domains; tools, parameters, values and half of the words are drawn afresh every time.
A `Lesson` is a conversation in the wire form of `callproof.prompt`, its difficulty set by `Level`.
"""

import json
import random
from dataclasses import dataclass, field
from typing import Any

from callproof.calls import ToolCall
from callproof.prompt import Conversation, wire_messages
from callproof.sessions import Message
from synth.curriculum import phrases
from synth.curriculum.lexicon import NOUNS, invented
from synth.curriculum.toolmaker import Param, RandomTool, make_tool
from synth.curriculum.values import code, title


@dataclass(frozen=True)
class Level:
    """How hard a lesson is: distracting tools in the catalog, exchanges with the user, words of system text.

    A `bare` lesson is one request and one call of a tool with few and simple parameters.
    """

    bare: bool = False
    distractors: tuple[int, int] = (0, 0)
    exchanges: tuple[int, int] = (1, 1)
    system: bool = False


BARE = Level(bare=True)
SHORT = Level()
MEDIUM = Level(distractors=(0, 4), exchanges=(1, 3))
FULL = Level(distractors=(2, 8), exchanges=(2, 5), system=True)


@dataclass
class _Lesson:
    rng: random.Random
    tools: list[RandomTool]
    messages: list[Message] = field(default_factory=list)

    def user(self, text: str) -> None:
        self.messages.append(Message(role="user", content=text))

    def reply(self, text: str) -> None:
        self.messages.append(Message(role="assistant", content=text))

    def call(self, *calls: ToolCall) -> None:
        self.messages.append(Message(role="assistant", tool_calls=calls))


def lesson(rng: random.Random, level: Level) -> Conversation:
    """One conversation, tools in random order."""
    if level.bare:
        return _bare_lesson(rng)
    used = [make_tool(rng) for _ in range(rng.randint(1, 2))]
    nouns = [tool.noun for tool in used]
    distractors = [make_tool(rng, near=rng.choice(nouns)) for _ in range(rng.randint(*level.distractors))]
    tools = list({tool.name: tool for tool in [*distractors, *used]}.values())
    state = _Lesson(rng, [tool for tool in used if tool in tools])
    for _ in range(rng.randint(*level.exchanges)):
        _exchange(state, tools)
    rng.shuffle(tools)
    wire = wire_messages(tuple(state.messages))
    if level.system:
        wire.insert(0, {"role": "system", "content": phrases.system_text(rng)})
    return Conversation(messages=tuple(wire), tools=tuple(tool.wire() for tool in tools))


def _bare_lesson(rng: random.Random) -> Conversation:
    tool = make_tool(rng, simple=True)
    said = tool.fill(rng)
    call = ToolCall(name=tool.name, arguments=tool.arguments(said))
    asked = Message(role="user", content=phrases.request(rng, tool, said))
    wire = wire_messages((asked, Message(role="assistant", tool_calls=(call,))))
    return Conversation(messages=tuple(wire), tools=(tool.wire(),))


def _exchange(state: _Lesson, tools: list[RandomTool]) -> None:
    rng = state.rng
    tool = rng.choice(state.tools if rng.random() < 0.7 else tools)
    kinds = [_request, _missing, _small_talk, _out_of_scope, _parallel, _correction, _search_then_pick]
    kind = rng.choices(kinds, weights=(34, 14, 6, 10, 9, 9, 18))[0]
    kind(state, tool)


def _result(state: _Lesson, tool: RandomTool, values: dict[str, Any]) -> None:
    """The tool's answer and the assistant's sentence about it."""
    rng = state.rng
    body: dict[str, Any] = {rng.choice(("id", "reference", f"{tool.noun}_id", "status")): code(rng)}
    scalars = [key for key, value in values.items() if isinstance(value, str)]
    if scalars and rng.random() < 0.5:
        key = rng.choice(scalars)
        body[key] = values[key]
    state.messages.append(Message(role="tool", name=tool.name, content=json.dumps(body, ensure_ascii=False)))
    state.reply(phrases.done(rng, tool.noun, list(body.values())))


def _request(state: _Lesson, tool: RandomTool) -> None:
    said = tool.fill(state.rng)
    state.user(phrases.request(state.rng, tool, said))
    values = tool.arguments(said)
    state.call(ToolCall(name=tool.name, arguments=values))
    _result(state, tool, values)


def _missing(state: _Lesson, tool: RandomTool) -> None:
    """A required argument is missing: ask for it; once it is there, call."""
    required = [param for param in tool.params if param.required]
    if not required:
        return _request(state, tool)
    rng, said = state.rng, tool.fill(state.rng)
    lacking = rng.choice(required)
    first = {param: value for param, value in said.items() if param is not lacking}
    state.user(phrases.request(rng, tool, first))
    state.reply(phrases.ask(rng, lacking.label))
    state.user(phrases.supply(rng, lacking, said[lacking]))
    values = tool.arguments(said)
    state.call(ToolCall(name=tool.name, arguments=values))
    return _result(state, tool, values)


def _small_talk(state: _Lesson, tool: RandomTool) -> None:
    user, answer = phrases.small_talk(state.rng, tool.noun)
    state.user(user)
    state.reply(answer)


def _out_of_scope(state: _Lesson, tool: RandomTool) -> None:
    rng = state.rng
    other = make_tool(rng, avoid={known.noun for known in [*state.tools, tool]})
    state.user(phrases.request(rng, other, other.fill(rng)))
    state.reply(phrases.refuse(rng, other.noun))


def _parallel(state: _Lesson, tool: RandomTool) -> None:
    rng = state.rng
    second = rng.choice(state.tools)
    if second is tool and tool.params and rng.random() < 0.5:
        return _request(state, tool)
    first_said, second_said = tool.fill(rng), second.fill(rng)
    first, then = tool.arguments(first_said), second.arguments(second_said)
    if first == then and tool is second:
        return _request(state, tool)
    state.user(phrases.both(rng, phrases.request(rng, tool, first_said), phrases.request(rng, second, second_said)))
    state.call(ToolCall(name=tool.name, arguments=first), ToolCall(name=second.name, arguments=then))
    ids = [code(rng), code(rng)]
    for made, answered in zip(ids, (tool, second), strict=True):
        state.messages.append(Message(role="tool", name=answered.name, content=json.dumps({"id": made})))
    return state.reply(phrases.done(rng, f"{tool.noun} and {second.noun}", list(ids)))


def _correction(state: _Lesson, tool: RandomTool) -> None:
    """The user changes one value after the call; the call is made again with the rest as it was."""
    rng, said = state.rng, tool.fill(state.rng)
    state.user(phrases.request(rng, tool, said))
    state.call(ToolCall(name=tool.name, arguments=tool.arguments(said)))
    _result(state, tool, tool.arguments(said))
    changeable = [param for param in said if param.kind not in ("bool", "object", "list")]
    if changeable:
        param: Param = rng.choice(changeable)
        said = {**said, param: param.say(rng)}
        state.user(phrases.correct(rng, param, said[param]))
        values = tool.arguments(said)
        state.call(ToolCall(name=tool.name, arguments=values))
        _result(state, tool, values)


def _search_then_pick(state: _Lesson, tool: RandomTool) -> None:
    """A search lists items; the user picks one by name or place, and the next call needs its id."""
    rng = state.rng
    picker = next((known for known in state.tools if known.id_param), None)
    if picker is None or picker.id_param is None or picker is tool:
        return _request(state, tool)
    said = tool.fill(rng)
    state.user(phrases.request(rng, tool, said))
    state.call(ToolCall(name=tool.name, arguments=tool.arguments(said)))
    items = [(title(rng), code(rng)) for _ in range(rng.randint(1, 3))]
    keys = rng.choice((("id", "name"), (picker.id_param.name, "title"), (invented(rng, False), "label")))
    listed = [dict(zip(keys, (item[1], item[0]), strict=True)) for item in items]
    body = {rng.choice(("results", "items", f"{tool.noun}s", rng.choice(NOUNS))): listed}
    state.messages.append(Message(role="tool", name=tool.name, content=json.dumps(body, ensure_ascii=False)))
    state.reply(phrases.listed(rng, tool.noun, [item[0] for item in items]))
    place = rng.randrange(len(items))
    filled = {
        **picker.fill(rng),
        picker.id_param: (phrases.pick(rng, items[place][0], place, len(items)), items[place][1]),
    }
    state.user(phrases.request(rng, picker, filled, spoken_last=picker.id_param))
    values = picker.arguments(filled)
    state.call(ToolCall(name=picker.name, arguments=values))
    return _result(state, picker, values)
