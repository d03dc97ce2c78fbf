"""The sources of a configuration's values, lowest first; for each key the highest source that sets it wins.

    default               of the schema
    YAML                  the file of --config
    .env                  in the working directory: lines of `LLM_SECTION__KEY=value`
    LLM_SECTION__KEY      of the environment, for instance LLM_MODEL__BASE_MODEL
    command line          after the options: train.learning_rate=1e-4 lora.r=8

Values of the last three are read as YAML, or as plain text where only that has the type of the key (`*.jsonl`; `007`
for a string). A whole mapping replaces the one of a lower source; `gate.margins.name_f1=0.01` changes one entry and
keeps the others. Unknown keys are refused, all at once. Variables of other programs (`LLM_API_KEY`, `LLM_MODEL=gpt`)
are ignored, with a line at `--log-level debug`; those in `.env` that other libraries read (`HF_TOKEN`, `WANDB_*`) are
put into the environment by `callproof.console.levels`. `MODEL_ID` in `.env` names the base model.
"""

import copy
import difflib
import io
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin

from dotenv.parser import parse_stream
from pydantic import BaseModel, TypeAdapter, ValidationError

from callproof.errors import UserError
from callproof.records import explain, read_text

from .yaml_text import BadYaml, one_line, read_yaml

PREFIX = "LLM_"
DOTENV = Path(".env")
DEFAULT = "default"
COMMAND_LINE = "command line"
ARGUMENT = "argument"
DOTENV_NAMES = {"MODEL_ID": ("model", "base_model")}
"""Names without LLM_ that count in `.env`, and the key that each sets."""
_COMMENT_COLUMN = 60
_LOGGER = logging.getLogger("callproof")

Key = tuple[str, ...]
Model = TypeVar("Model", bound=BaseModel)


class Setting(NamedTuple):
    """A value that one source sets for a key; `source` is for people: `c.yaml:12`, `LLM_LORA__R`, `command line`."""

    key: Key
    value: Any
    source: str


class Entry(NamedTuple):
    """A key of the resolved configuration, its JSON value, and the source that set it."""

    key: Key
    value: Any
    source: str


@dataclass(frozen=True)
class Resolved(Generic[Model]):
    """A valid configuration; `sources` maps each key that is not at its default to the source that set it."""

    config: Model
    sources: dict[Key, str]

    def entries(self) -> Iterator[Entry]:
        """Every key in the order of the schema; a mapping yields one entry for each of its own keys."""
        for key, value in _leaves((), self.config.model_dump(mode="json")):
            yield Entry(key, value, _source_of(key, self.sources) or DEFAULT)

    def as_json(self) -> dict[str, dict[str, Any]]:
        return {".".join(key): {"value": value, "source": source} for key, value, source in self.entries()}

    def as_yaml(self) -> str:
        """The whole configuration as YAML that `load` accepts, with the source of each value in a comment."""
        lines: list[tuple[str, str]] = []
        above: Key = ()
        for key, value, source in self.entries():
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(above, key[:-1], strict=False)))
            lines += [("  " * depth + f"{one_line(key[depth])}:", "") for depth in range(shared, len(key) - 1)]
            lines.append(("  " * (len(key) - 1) + f"{one_line(key[-1])}: {one_line(value)}", f"# {source}"))
            above = key[:-1]
        width = min(_COMMENT_COLUMN, max(len(text) for text, _ in lines))
        return "\n".join(f"{text:<{width}}  {' '.join(comment.split())}".rstrip() for text, comment in lines)


def resolve(model: type[Model], path: Path, overrides: Sequence[str] = ()) -> Resolved[Model]:
    """The configuration in a file, overridden by `.env`, the environment and the `KEY=VALUE` words of the command line.

    Raises:
        UserError: a missing file, malformed YAML, an unknown key (with the nearest valid one), a wrong value; it names
            the source and the key.
    """
    layers = _Layers(model)
    for setting in _file(model, path):
        layers.put(setting)
    for setting in (*_dotenv(model), *_environment(model, os.environ), *_words(model, overrides)):
        _refuse_outside_yaml(model, setting)
        layers.put(setting)
    return _resolved(model, layers, path)


def resolve_values(
    model: type[Model], values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> Resolved[Model]:
    """The configuration of nested values, with further ones on top, as Python code gives them; no other source counts.

    A mapping of `overrides` for a section changes single keys; a name may be dotted, or have `__` in place of dots.

    Raises:
        UserError: as `resolve`.
    """
    layers = _Layers(model)
    for setting in _settings(model, (), dict(values), lambda _: ARGUMENT):
        layers.put(setting)
    for name, value in (overrides or {}).items():
        for setting in _settings(model, tuple(name.replace("__", ".").split(".")), value, lambda _: ARGUMENT):
            layers.put(setting)
    return _resolved(model, layers, ARGUMENT)


def _resolved(model: type[Model], layers: "_Layers", path: object) -> Resolved[Model]:
    try:
        config = model.model_validate(layers.tree)
    except ValidationError as error:
        raise _refusal(model, error, layers.sources, path) from None
    resolved = Resolved(config, layers.sources)
    for key, value, source in resolved.entries():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(source, f"{'.'.join(key)}: expected a finite number, got {value}", "correct the value")
    return resolved


def sections_of(model: type[BaseModel], path: Path) -> set[str]:
    """The sections and keys at the top of a configuration file; raises a UserError where it cannot be read."""
    return {value.key[0] for value in _file(model, path)}


class _Layers:
    """The nested values so far, which each further source overrides, and the source of each leaf."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self.tree: dict[str, Any] = {}
        self.sources: dict[Key, str] = {}

    def put(self, setting: Setting) -> None:
        *parents, last = setting.key
        at: Any = self.tree
        for depth, name in enumerate(parents, start=1):
            at = at.setdefault(name, _below(self._model, setting.key[:depth]))
            if not isinstance(at, dict):
                problem = (
                    f"unknown key {'.'.join(setting.key)!r}, for {'.'.join(setting.key[:depth])!r} holds one value"
                )
                raise UserError(setting.source, problem, "name a key of the schema")
        at[last] = setting.value
        covered = [key for key in self.sources if key[: len(setting.key)] == setting.key]
        for key in covered:
            del self.sources[key]
        self.sources[setting.key] = setting.source


def _file(model: type[BaseModel], path: Path) -> Iterator[Setting]:
    try:
        document = read_yaml(read_text(path))
    except BadYaml as error:
        raise UserError(f"{path}:{error.line}" if error.line else path, error.problem, "mend the file") from None
    if not isinstance(document.value, dict):
        problem = f"expected a mapping, got {type(document.value).__name__}"
        raise UserError(path, problem, "see configs/car_sales.yaml")
    yield from _settings(model, (), document.value, lambda key: f"{path}:{document.lines.get(key, 1)}")


def _dotenv(model: type[BaseModel]) -> Iterator[Setting]:
    if not DOTENV.is_file():
        return
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(read_text(DOTENV))):
        place = f"{DOTENV}:{binding.original.line + _blank_lines(binding.original.string)}"
        if binding.error:
            raise UserError(place, "expected NAME=value", "mend the line")
        if binding.key is not None:
            values[binding.key], places[binding.key] = binding.value or "", place
    for name, key in DOTENV_NAMES.items():
        if values.get(name) and _kind(model, key) is not None:
            _LOGGER.info("%s: %s sets %s to %s", places[name], name, ".".join(key), values[name])
            yield Setting(key, values[name], places[name])
    yield from _environment(model, values, places)


def _blank_lines(text: str) -> int:
    """How many lines to skip: the parser counts the blank lines above a binding as part of it."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _environment(
    model: type[BaseModel], values: Mapping[str, str], places: Mapping[str, str] | None = None
) -> Iterator[Setting]:
    """The settings of variables; shorter names first, so that LLM_TRAIN__SEED overrides a seed in LLM_TRAIN."""
    for name in sorted(values):
        if name.startswith(PREFIX):
            key = tuple(name.removeprefix(PREFIX).lower().split("__"))
            source = (places or {}).get(name, name)
            if _is_ours(model, key, values[name]):
                yield from _settings(model, key, _from_text(model, key, values[name], source), lambda _, at=source: at)
            else:
                _LOGGER.debug("%s: ignored: not LLM_<SECTION>__<KEY>", source if source == name else f"{source} {name}")


def _is_ours(model: type[BaseModel], key: Key, text: str) -> bool:
    """Whether a variable sets a key here, or tries to.

    `LLM_<SECTION>__<KEY>` does, if SECTION is one or resembles one; a whole section does as a mapping, and a key at the
    top by its name alone.
    """
    section = _kind(model, key[:1])
    if len(key) > 1:
        return section is not None or bool(difflib.get_close_matches(key[0], model.model_fields, n=1))
    return section is not None and (not _is_section(section) or text.lstrip().startswith("{"))


def _refuse_outside_yaml(model: type[BaseModel], setting: Setting) -> None:
    """Raise a UserError for a key that the YAML file alone may set (`YAML_ONLY` of its section)."""
    if setting.key[-1] in getattr(_kind(model, setting.key[:-1]), "YAML_ONLY", ()):
        problem = f"{'.'.join(setting.key)} is read from the YAML file alone"
        raise UserError(setting.source, problem, "set it there, or leave it out")


def _words(model: type[BaseModel], words: Iterable[str]) -> Iterator[Setting]:
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UserError(word, "expected KEY=VALUE, such as train.learning_rate=1e-4", "see --help")
        key = tuple(name.split("."))
        yield from _settings(model, key, _from_text(model, key, text, COMMAND_LINE), lambda _: COMMAND_LINE)


def _from_text(model: type[BaseModel], key: Key, text: str, source: str) -> Any:
    """The text parsed as YAML, or the text itself where only that has the type of the key."""
    kind = _kind(model, key)
    try:
        value = read_yaml(text).value
    except BadYaml as error:
        if kind is None or _fits(kind, text):
            return text
        raise UserError(source, f"{'.'.join(key)}: {error.problem}", "correct the value") from None
    return text if kind is not None and not _fits(kind, value) and _fits(kind, text) else value


def _fits(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _settings(model: type[BaseModel], key: Key, value: Any, source: Callable[[Key], str]) -> Iterator[Setting]:
    """One setting for each leaf; a mapping that is no section first sets {}, which clears its older entries."""
    kind = _kind(model, key)
    if _is_section(kind) and not isinstance(value, dict):
        problem = f"{'.'.join(key)}: expected a section, got {str(value)[:80]!r}"
        raise UserError(source(key), problem, f"its keys: {', '.join(kind.model_fields)}")
    if not isinstance(value, dict):
        yield Setting(key, value, source(key))
        return
    if not _is_section(kind):
        yield Setting(key, {}, source(key))
    for name, inner in value.items():
        if not isinstance(name, str):
            raise UserError(source((*key, name)), f"expected a name as key, got {name!r}", "put it in quotes")
        yield from _settings(model, (*key, name), inner, source)


def _leaves(key: Key, value: Any) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves((*key, name), inner)
    else:
        yield key, value


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(model: type[BaseModel], key: Key) -> Any:
    """The type of a key: a section's class, or an annotation; None where the schema has no such key."""
    kind: Any = model
    for name in key:
        if _is_section(kind):
            field = kind.model_fields.get(name)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
    return kind


def _below(model: type[BaseModel], key: Key) -> Any:
    """The value at a key before any source sets it: a mapping's default, so that single entries can be changed."""
    parent, kind = _kind(model, key[:-1]), _kind(model, key)
    if _is_section(kind) or kind is None or not _is_section(parent):
        return {}
    return copy.deepcopy(parent.model_fields[key[-1]].get_default(call_default_factory=True))


def _source_of(key: Key, sources: Mapping[Key, str]) -> str | None:
    """The source that set the key, or the nearest mapping around it; None if it has its default."""
    return next((sources[key[:size]] for size in range(len(key), 0, -1) if key[:size] in sources), None)


def _refusal(model: type[BaseModel], error: ValidationError, sources: Mapping[Key, str], path: object) -> UserError:
    errors = error.errors(include_url=False)
    unknown = [tuple(map(str, problem["loc"])) for problem in errors if problem["type"] == "extra_forbidden"]
    if len(unknown) > 1:
        return _unknown_keys(model, unknown, sources, path)
    first = next((problem for problem in errors if problem["type"] == "extra_forbidden"), errors[0])
    key = tuple(map(str, first["loc"]))
    where = _place(key, sources, path)
    if unknown:
        if reason := no_key(model, key):
            return UserError(where, f"no key {'.'.join(key)!r}: {reason}", "leave it out")
        near, valid = nearest_key(model, key), ", ".join(_kind(model, key[:-1]).model_fields)
        mend = f"did you mean {near!r}?" if near else f"valid keys: {valid}"
        return UserError(where, f"unknown key {'.'.join(key)!r}", mend)
    if first["type"] == "missing":
        return UserError(where, explain(error), "add the key")
    return UserError(where, f"{explain(error)}, got {str(first.get('input'))[:80]!r}", "correct the value")


def _place(key: Key, sources: Mapping[Key, str], path: object) -> object:
    """The source that set a key, one around it or one below it; the file where none did."""
    below = (source for leaf, source in sources.items() if leaf[: len(key)] == key)
    return _source_of(key, sources) or next(below, path)


def _unknown_keys(model: type[BaseModel], keys: list[Key], sources: Mapping[Key, str], path: object) -> UserError:
    """One line for all unknown keys, each with its place, and a near name or the reason why there is none."""
    told = []
    for key in keys:
        place, near = str(_place(key, sources, path)), nearest_key(model, key)
        hint = no_key(model, key) or (f"did you mean {near!r}?" if near else "")
        at = f"line {place.removeprefix(f'{path}:')}" if place.startswith(f"{path}:") else place
        told.append(f"{'.'.join(key)!r} ({at}{'; ' * bool(hint)}{hint})")
    mend = "correct them; a configuration of another system is translated by: callproof train migrate"
    return UserError(path, f"{len(keys)} unknown keys: {', '.join(told)}", mend)


def no_key(model: type[BaseModel], key: Key) -> str | None:
    """Why the schema has no such key, where it says so."""
    return getattr(_kind(model, key[:-1]), "NO_KEYS", {}).get(key[-1])


def nearest_key(model: type[BaseModel], key: Key) -> str | None:
    """The nearest valid name beside an unknown key, or else a key of another section (`lora.seed`: 'train.seed')."""
    section = _kind(model, key[:-1])
    beside = difflib.get_close_matches(key[-1], section.model_fields, n=1) if _is_section(section) else []
    if beside:
        return beside[0]
    everywhere = {name: leaf for leaf in _keys(model) for name in (leaf[-1], "_".join(leaf))}
    near = [
        match for name in (key[-1], "_".join(key)) for match in difflib.get_close_matches(name, everywhere, 1, 0.85)
    ]
    return ".".join(everywhere[near[0]]) if near else None


def _keys(model: type[BaseModel], above: Key = ()) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, (*above, name))
        else:
            yield (*above, name)
