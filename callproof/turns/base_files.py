"""The files of a base model that say how it is asked: its chat template, its special tokens, its response template.

They are read from the base's folder, or from the hub's cache on this machine; nothing is loaded.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from callproof.config import ModelConfig, base_file
from callproof.errors import UserError, relative_to
from callproof.records import read_object, read_text

_CONFIG, _TOKENIZER = "tokenizer_config.json", "tokenizer.json"
_MEND = "copy the base model again"


class ServedTemplate(NamedTuple):
    """A chat template and the file that holds it."""

    file: Path
    text: str


def chat_template(model: ModelConfig) -> ServedTemplate | None:
    """The template that a server of this model uses when a request has tools; None if it is not on this machine.

    That is `model.chat_template`, or else the base's own.

    Raises:
        UserError: a file is missing or malformed.
    """
    if (file := model.template_file) is not None:
        if not file.is_file():
            raise UserError("model.chat_template", f"there is no file {file}", relative_to(file))
        return ServedTemplate(file, read_text(file))
    find = _files(model)
    for name in ("additional_chat_templates/tool_use.jinja", "chat_template.jinja"):
        if file := find(name):
            return ServedTemplate(file, read_text(file))
    if file := find(_CONFIG):
        text = _for_tools(read_object(file, _MEND).get("chat_template"))
        return ServedTemplate(file, text) if text is not None else None
    return None


def response_template(model: ModelConfig) -> Any:
    """What the base's tokenizer_config.json holds as `response_template`; None if it holds none, is not on this
    machine, or if `model.chat_template` takes the place of the base's own.
    """
    file = None if model.template_file else _files(model)(_CONFIG)
    return file and read_object(file, _MEND).get("response_template")


def special_tokens(model: ModelConfig) -> frozenset[str] | None:
    """The texts of the tokens that the base's tokenizer marks special; None if it is not on this machine.

    Raises:
        UserError: a file is malformed.
    """
    files = tuple(filter(None, map(_files(model), (_CONFIG, _TOKENIZER))))
    return _special_tokens(files, tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=8)
def _special_tokens(files: tuple[Path, ...], _: tuple[int, ...]) -> frozenset[str] | None:
    """The special tokens that files name; the times of their last changes tell them from what they were before."""
    read = {file.name: read_object(file, _MEND) for file in files}
    settings, tokenizer = read.get(_CONFIG, {}), read.get(_TOKENIZER, {})
    listed, added = settings.get("added_tokens_decoder"), tokenizer.get("added_tokens")
    if not isinstance(listed, dict) and not isinstance(added, list):
        return None
    entries = [*(listed.values() if isinstance(listed, dict) else ()), *(added if isinstance(added, list) else ())]
    marked = [entry for entry in entries if isinstance(entry, dict) and entry.get("special")]
    roles = [value for key, value in settings.items() if key.endswith(("_token", "special_tokens"))]
    return frozenset(_texts([roles, marked]))


def spells_by_neighbours(model: ModelConfig) -> bool:
    """Whether the text of a token depends on the token before it, as the tokenizer's decoder says.

    Such a token has no text of its own, which is what guided decoding holds against a grammar. False where the
    tokenizer is not on this machine.

    Raises:
        UserError: the file is malformed.
    """
    file = _files(model)(_TOKENIZER)
    decoder = read_object(file, _MEND).get("decoder") if file else None
    steps = decoder.get("decoders", [decoder]) if isinstance(decoder, dict) else []
    return any(isinstance(step, dict) and step.get("type") == "WordPiece" for step in steps)


def _texts(value: Any) -> Iterator[str]:
    """The texts of tokens, each a string or an object with `content`, however they are nested."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts(value["content"] if "content" in value else [*value.values()])


def _files(model: ModelConfig) -> Callable[[str], Path | None]:
    """Finds a file of the base by its name."""
    return lambda name: base_file(model.base_model, name, model.revision)


def _for_tools(value: Any) -> str | None:
    """The template for requests with tools, of one template or a list of named ones."""
    if not isinstance(value, list):
        return value if isinstance(value, str) else None
    named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
    return _for_tools(named.get("tool_use") or named.get("default"))
