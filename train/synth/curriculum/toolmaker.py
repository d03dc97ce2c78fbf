"""Tools of lessons: a name, a description and parameters of every JSON type, and how a customer speaks of each."""

import random
from dataclasses import dataclass, replace
from typing import Any

from callproof.catalog import Tool

from .lexicon import ADJECTIVES, ENUMS, FEATURES, NAME_LABELS, NOUNS, VERBS, invented
from .values import say, title

_KINDS = "text person code int amount number date time enum enum bool email phone note list object object".split()
_SIMPLE = "text person code int enum".split()
_TYPES = {"int": "integer", "amount": "number", "number": "number", "bool": "boolean"}
Said = tuple[str, Any]
TALKATIVE = (0.25, 0.5, 0.8)
"""Shares of optional parameters that a customer brings up."""


@dataclass(frozen=True)
class Param:
    """A parameter; `options` of an enum or list, `parts` of an object.

    `mentions` are a customer's ways to bring it up, `asks` the assistant's questions for it, `denials` ways to say no,
    `spoken` other words for an option; without them the words come from `train.synth.curriculum.phrases`.
    """

    name: str
    kind: str
    required: bool
    options: tuple[str | int, ...] = ()
    parts: tuple["Param", ...] = ()
    default: Any = None
    described: str = ""
    mentions: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    spoken: tuple[tuple[str | int, tuple[str, ...]], ...] = ()

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    def say(self, rng: random.Random) -> Said:
        """(what the customer writes, the value)."""
        if self.kind == "enum":
            value = rng.choice(self.options)
            return self._option(rng, value), value
        if self.kind == "bool":
            value = rng.random() < 0.7 or bool(self.mentions and not self.denials)
            return self.label, value
        if self.kind == "list":
            drawn = [rng.choice(self.options) if self.options else title(rng) for _ in range(rng.randint(1, 3))]
            values = list(dict.fromkeys(drawn))
            spoken = [self._option(rng, value) for value in values]
            return (" and ".join([", ".join(spoken[:-1]), spoken[-1]]) if len(spoken) > 1 else spoken[0]), values
        if self.kind == "object":
            return self.together(rng, self.say_parts(rng))
        return say(self.kind, rng, self.name)

    def say_parts(self, rng: random.Random) -> dict["Param", Said]:
        """What the customer says of each part of an object: all required ones and some of the others."""
        return {part: part.say(rng) for part in self.parts if part.required or rng.random() < 0.5}

    def together(self, rng: random.Random, said: dict["Param", Said], hidden: "Param | None" = None) -> Said:
        """The object that its parts make; the customer keeps the `hidden` one to themselves."""
        spoken = [part for part in said if part is not hidden]
        words = [rng.choice(part.mentions or (part.label + " {}",)).format(said[part][0]) for part in spoken]
        return ", ".join(words), {part.name: value for part, (_, value) in said.items()}

    def _option(self, rng: random.Random, value: str | int) -> str:
        return rng.choice(dict(self.spoken).get(value, (str(value).replace("_", " "),)))

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        schema: dict[str, Any] = {"type": _TYPES.get(self.kind, "string")}
        if self.kind == "enum":
            schema = {"type": "integer" if isinstance(self.options[0], int) else "string", "enum": list(self.options)}
        elif self.kind == "date":
            schema["format"] = "date"
        elif self.kind == "list":
            items: dict[str, Any] = {"type": "string"}
            schema = {"type": "array", "items": {**items, "enum": list(self.options)} if self.options else items}
        elif self.kind == "object":
            schema = object_schema(self.parts)
        if self.described:
            schema["description"] = self.described
        if self.default is not None:
            schema["default"] = self.default
        return schema


def object_schema(params: tuple[Param, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {param.name: param.schema() for param in params}}
    required = [param.name for param in params if param.required]
    return {**schema, "required": required} if required else schema


@dataclass(frozen=True)
class LessonTool:
    """A tool and the words of those who ask for it: whole sentences in `requests`, or else a verb and a noun."""

    name: str
    verbs: tuple[str, ...]
    noun: str
    description: str
    params: tuple[Param, ...]
    requests: tuple[str, ...] = ()

    @property
    def id_param(self) -> Param | None:
        return next((param for param in self.params if param.kind == "code" and param.required), None)

    def fill(self, rng: random.Random) -> dict[Param, Said]:
        """What the customer says of each parameter: all required ones and few, half or most of the others."""
        share = rng.choice(TALKATIVE)
        return {param: param.say(rng) for param in self.params if param.required or rng.random() < share}

    def arguments(self, said: dict[Param, Said]) -> dict[str, Any]:
        return {param.name: said[param][1] for param in self.params if param in said}

    def wire(self) -> dict[str, Any]:
        return Tool(name=self.name, description=self.description, parameters=object_schema(self.params)).wire()


def make_tool(
    rng: random.Random, near: str | None = None, avoid: set[str] | None = None, simple: bool = False
) -> LessonTool:
    """A tool about a random noun; often about `near`, never about one of `avoid`; `simple`: few plain parameters."""
    verbs = rng.choice(VERBS)
    noun = near if near and rng.random() < 0.4 else rng.choice(NOUNS)
    while avoid and noun in avoid:
        noun = rng.choice(NOUNS)
    if rng.random() < 0.2:
        noun = invented(rng, capital=False)
    verb = verbs[0] if rng.random() < 0.7 else rng.choice(verbs)
    words = [*verb.split(), *([rng.choice(ADJECTIVES)] if rng.random() < 0.15 else []), noun]
    if rng.random() < 0.25 and verb in ("find", "search", "list", "get"):
        words[-1] += "s"
    name = "_".join(words) if rng.random() < 0.8 else words[0] + "".join(map(str.capitalize, words[1:]))
    if rng.random() < 0.1:
        name = f"{invented(rng, False)}_{invented(rng, False)}"
    shape = rng.choice(("{v} a {n}", "{v} {n}s", "{v} the {n} of a customer", "{v} one {n}.", "{v} {n} data"))
    description = shape.format(v=verb, n=noun)
    return LessonTool(name, tuple(verbs), noun, description[0].upper() + description[1:], _params(rng, simple))


def _params(rng: random.Random, simple: bool) -> tuple[Param, ...]:
    params: dict[str, Param] = {}
    required = rng.choice((0.1, 0.6, 0.6, 0.9))
    for _ in range(rng.randint(1, 2) if simple else rng.choice((0, 1, 2, 2, 3, 3, 4, 5))):
        param = _param(rng, rng.choice(_SIMPLE if simple else _KINDS), rng.random() < required)
        params.setdefault(param.name, param)
    return tuple(params.values())


def _param(rng: random.Random, kind: str, required: bool) -> Param:
    options: tuple[str | int, ...] = ()
    parts: tuple[Param, ...] = ()
    name = _name(rng, kind)
    if kind == "enum":
        name, options = _enum(rng)
    elif kind == "list" and rng.random() < 0.4:
        options = tuple(dict.fromkeys(rng.choices(NOUNS + FEATURES, k=rng.randint(3, 5))))
    elif kind == "object":
        kinds = rng.sample(["text", "person", "date", "email", "phone", "int", "enum", "amount"], rng.randint(2, 4))
        made = {part.name: part for part in (_param(rng, part_kind, required=True) for part_kind in kinds)}
        parts = loosened(rng, tuple(made.values()))
    default = _default(rng, kind, options) if not required and rng.random() < 0.5 else None
    described = f"{rng.choice(('The', 'Wanted', 'In Swiss francs:', 'Optional'))} {name}" if rng.random() < 0.1 else ""
    return Param(name, kind, required, options, parts, default, described)


def loosened(rng: random.Random, parts: tuple[Param, ...]) -> tuple[Param, ...]:
    """The parts of an object, some of them optional, never the first."""
    return tuple(replace(part, required=at == 0 or rng.random() < 0.65) for at, part in enumerate(parts))


def _name(rng: random.Random, kind: str) -> str:
    if kind == "bool":
        return rng.choice(FEATURES) if rng.random() < 0.7 else rng.choice(NOUNS)
    pool = NAME_LABELS.get(kind, NOUNS)
    if rng.random() < 0.65:
        return rng.choice(pool)
    return rng.choice((rng.choice(NOUNS), f"{rng.choice(NOUNS)}_{rng.choice(pool)}", invented(rng, capital=False)))


def _enum(rng: random.Random) -> tuple[str, tuple[str | int, ...]]:
    if rng.random() < 0.15:
        step, count = rng.choice((1, 5, 6, 10, 12, 25, 50, 100)), rng.randint(3, 5)
        first = rng.randint(1, 3)
        return rng.choice(NAME_LABELS["int"]), tuple(step * (first + at) for at in range(count))
    if rng.random() < 0.6:
        name = rng.choice(list(ENUMS))
        options = ENUMS[name]
        return name, tuple(rng.sample(options, min(len(options), rng.randint(2, 7))))
    words = {
        rng.choice((rng.choice(NOUNS), rng.choice(ADJECTIVES), invented(rng, False))) for _ in range(rng.randint(2, 5))
    }
    return rng.choice((rng.choice(NOUNS), "type", "kind", invented(rng, False))), tuple(sorted(words))


def _default(rng: random.Random, kind: str, options: tuple[str | int, ...]) -> Any:
    if kind == "enum":
        return rng.choice(options)
    return {"int": rng.randint(1, 20), "bool": False}.get(kind)
