"""YAML: a strict reader (one document, no duplicate keys, a limit on its size with aliases expanded), and a writer."""

import math
from collections import Counter
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, SequenceNode

MAX_VALUES = 10_000
MAX_BITS = 512
"""The longest whole number that is accepted; Python refuses to print much longer ones."""


class BadYaml(ValueError):
    """The text was refused. `line` counts from 1; None if the problem is at no single line."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


class Document(NamedTuple):
    """The value of a YAML text, and the line number of every key, by its path from the root."""

    value: Any
    lines: dict[tuple[Any, ...], int]


class _Loader(yaml.SafeLoader):
    """A SafeLoader that names the line of a scalar that Python cannot hold, such as 5,000 digits or a 31st of April."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            problem = "a number of too many digits" if "digits" in str(error) else str(error)
            raise ConstructorError(None, None, problem, node.start_mark) from None
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise ConstructorError(None, None, "a number of too many digits", node.start_mark)
        return value


def read_yaml(text: str) -> Document:
    """The one document in a text; its value is None if the text is empty.

    Raises:
        BadYaml: malformed, nested too deep, a key given twice, or more than MAX_VALUES values.
    """
    loader = _Loader("")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(None, {})
        _inspect(root)
        return Document(loader.construct_document(root), _lines(root, loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadYaml(f"malformed YAML ({getattr(error, 'problem', error)})", mark and mark.line + 1) from None
    except RecursionError:
        raise BadYaml("malformed YAML (nested too deep)", None) from None
    finally:
        loader.dispose()


def _inspect(root: Node) -> None:
    """Raise BadYaml for too many values (an alias counts each time that it is used) or a duplicate key."""
    waiting, count = [root], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            raise BadYaml(f"holds more than {MAX_VALUES:,} values, with aliases written out", None)
        if isinstance(node, MappingNode):
            _refuse_twice(node)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            waiting += node.value


def _refuse_twice(mapping: MappingNode) -> None:
    names = Counter(str(key.value) for key, _ in mapping.value)
    for key, _ in mapping.value:
        if names[str(key.value)] > 1:
            lines = [key.start_mark.line + 1 for key, _ in mapping.value if names[str(key.value)] > 1]
            raise BadYaml(f"the key {key.value!r} is given twice, first on line {lines[0]}", lines[1])


def _lines(root: Node, loader: _Loader) -> dict[tuple[Any, ...], int]:
    """Path of keys -> line number from 1. Call it after construction, which expands merged mappings (`<<`)."""
    lines: dict[tuple[Any, ...], int] = {}
    waiting: list[tuple[tuple[Any, ...], Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        for key, value in node.value if isinstance(node, MappingNode) else ():
            place = (*path, loader.construct_object(key, deep=True))
            lines[place] = key.start_mark.line + 1
            waiting.append((place, value))
    return lines


def one_line(value: Any) -> str:
    """A value in YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    if len(text.removesuffix("...\n").splitlines()) > 1:
        text = yaml.safe_dump(value, default_style='"', default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def config_text(config: BaseModel) -> str:
    """The whole configuration as YAML, so that neither `.env` nor variables of this machine are needed elsewhere."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
