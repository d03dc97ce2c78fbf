"""Everyday businesses and how customers speak to them, from the YAML files of `services`.

A file is a list of tools with alternative names and descriptions, parameters, and requests in plain English; it holds
what random tools cannot teach: that a wish and its tool often share no word.
"""

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .lexicon import invented
from .phrases import slots
from .toolmaker import LessonTool, Param, loosened

FOLDER = Path(__file__).with_name("services")
RENAMED_SHARE = 0.1
FLIPPED_SHARE = 0.2


@dataclass(frozen=True)
class ServiceTool:
    """A tool of a business before a lesson chooses its name and description."""

    names: tuple[str, ...]
    about: tuple[str, ...]
    params: tuple[Param, ...]
    requests: tuple[str, ...]

    def draw(self, rng: random.Random) -> LessonTool:
        """The tool as one lesson shows it.

        Now and then its name says nothing and only the description helps. Which parameters are required is not the
        same in every lesson, so that it has to be read in the catalog.
        """
        name = rng.choice(self.names)
        verb, _, noun = name.partition("_")
        if rng.random() < RENAMED_SHARE:
            name = f"{invented(rng, False)}_{invented(rng, False)}"
        params = tuple(
            replace(param, parts=loosened(rng, param.parts), required=_required(rng, param))
            for param in self.params
            if param.required or rng.random() < 0.8
        )
        names = {param.name for param in params}
        requests = tuple(text for text in self.requests if slots(text) <= names)
        spoken_of = noun.replace("_", " ") or verb
        return LessonTool(name, (verb,), spoken_of, rng.choice(self.about), params, requests)


def _required(rng: random.Random, param: Param) -> bool:
    flipped = param.kind != "code" and rng.random() < FLIPPED_SHARE
    return param.required != flipped


@cache
def services() -> tuple[tuple[ServiceTool, ...], ...]:
    """All businesses, each a tuple of its tools."""
    return tuple(_service(path) for path in sorted(FOLDER.glob("*.yaml")))


@cache
def elsewhere() -> tuple[str, ...]:
    """What people ask that no business can serve."""
    return tuple((FOLDER / "elsewhere.txt").read_text(encoding="utf-8").splitlines())


@cache
def small_talk() -> tuple[tuple[str, str], ...]:
    """(what a customer says, the assistant's answer)."""
    lines = (FOLDER / "small_talk.txt").read_text(encoding="utf-8").splitlines()
    return tuple((said, answer) for said, _, answer in (line.partition(" => ") for line in lines))


def _service(path: Path) -> tuple[ServiceTool, ...]:
    tools: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(
        ServiceTool(
            tuple(tool["names"]),
            tuple(tool["about"]),
            tuple(_param(name, spec) for name, spec in (tool.get("params") or {}).items()),
            tuple(tool["says"]),
        )
        for tool in tools
    )


def _param(name: str, entry: dict[str, Any], nested: bool = False) -> Param:
    options: dict[str, list[str]] = entry.get("options") or {}
    return Param(
        name,
        entry["kind"],
        nested or bool(entry.get("required")),
        options=tuple(options),
        parts=tuple(_param(part, spec, nested=True) for part, spec in (entry.get("parts") or {}).items()),
        mentions=tuple(entry.get("said") or ("{}",)),
        asks=tuple(entry.get("ask") or ()),
        denials=tuple(entry.get("denied") or ()),
        spoken=tuple((value, tuple(forms)) for value, forms in options.items()),
    )
