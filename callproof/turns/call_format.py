"""The chat template that a model is trained and served with, and the format of calls that follows from it.

The name of a format is vLLM's `--tool-call-parser` too, so one name configures serving, scoring and the display of
answers. It is derived from the template unless `serve.tool_call_parser` names one.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from callproof.calls import ToolCall, parse
from callproof.calls.formats import FORMATS, TemplateRefusal, format_of_template, render_call_turn
from callproof.config import ModelConfig, RunConfig
from callproof.errors import UserError
from callproof.records import read_object, read_text

AUTO = "auto"
IN_TEXT = "hermes"
"""The format of calls where the prompt shows the catalog as text."""
OTHER_TEMPLATE = "set model.chat_template to hermes, or to a template that renders calls"
_KEY = "serve.tool_call_parser"
_PROBE = ToolCall(name="find_train", arguments={"town": "Bern", "seats": 2})
_PROBE_TOOLS = {
    "find_train": {"type": "object", "properties": {"town": {"type": "string"}, "seats": {"type": "integer"}}}
}


class ServedTemplate(NamedTuple):
    """A chat template and the file that holds it."""

    file: Path
    text: str


class CallFormat(NamedTuple):
    """How a model writes calls.

    Attributes:
        name: of the format, as vLLM names its parser.
        warning: a line for the user if the name was set and the chat template does not write that format.
    """

    name: str
    warning: str | None = None


def call_format(config: RunConfig, where: object = "the configuration") -> CallFormat:
    """The format in which the model of a configuration writes calls.

    Args:
        config: its `serve.tool_call_parser` names the format; `auto` derives it from the chat template. With
            `prompt.catalog: text` calls are text of the conversation, and that is hermes.
        where: the file that errors name.

    Raises:
        UserError: the format is to be derived, but the template is not on this machine, renders no call, or writes
            calls in a format that callproof does not know.
    """
    name = config.serve.tool_call_parser
    if config.prompt.catalog == "text":
        return _in_text(name)
    template = chat_template(config.model)
    if name != AUTO:
        return CallFormat(name, template and _disagreement(name, template))
    if template is None:
        base = config.model.base_model
        missing = "has no chat template" if Path(base).is_dir() else "is not on this machine"
        mend = f"name the format, such as {_KEY}: hermes, or set model.chat_template, or download the base"
        raise UserError(f"{where}: {_KEY}", f"is auto, but {base} {missing}", mend)
    derived = _derived(template.text)
    if isinstance(derived, TemplateRefusal):
        raise UserError(template.file, str(derived), f"{OTHER_TEMPLATE}, or name the format in {_KEY}")
    return CallFormat(derived)


def readable_format(config: RunConfig, where: object = "the configuration") -> str:
    """The name of the format, for reading answers here.

    Raises:
        UserError: as `call_format`, or callproof cannot read the format.
    """
    name = call_format(config, where).name
    if name not in FORMATS:
        problem = f"{name!r} is no format that callproof can read"
        raise UserError(f"{where}: {_KEY}", problem, f"name one of: {', '.join(sorted(FORMATS))}")
    return name


def chat_template(model: ModelConfig) -> ServedTemplate | None:
    """The template that a server of this model uses when a request has tools; None if it is not on this machine.

    That is `model.chat_template`, or else the base's own, from its folder or from the hub's cache on this machine.

    Raises:
        UserError: a file is missing or malformed.
    """
    if (file := model.template_file) is not None:
        if not file.is_file():
            raise UserError("model.chat_template", f"there is no file {file}", "correct the path")
        return ServedTemplate(file, read_text(file))
    find = _in_folder(Path(model.base_model)) if Path(model.base_model).is_dir() else _in_hub_cache(model)
    for name in ("additional_chat_templates/tool_use.jinja", "chat_template.jinja"):
        if file := find(name):
            return ServedTemplate(file, read_text(file))
    if file := find("tokenizer_config.json"):
        text = _for_tools(read_object(file, "copy the base model again").get("chat_template"))
        return ServedTemplate(file, text) if text is not None else None
    return None


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    return lambda name: folder / name if (folder / name).is_file() else None


def _in_hub_cache(model: ModelConfig) -> Callable[[str], Path | None]:
    """Looks files of a hub repository up without the network; finds none if huggingface_hub is not installed."""

    def find(name: str) -> Path | None:
        try:
            from huggingface_hub import try_to_load_from_cache

            path = try_to_load_from_cache(model.base_model, name, revision=model.revision)
        except (ImportError, ValueError):  # a folder that is not there yet is no valid id
            return None
        return Path(path) if isinstance(path, str) else None

    return find


def _for_tools(value: Any) -> str | None:
    """The template for requests with tools, of one template or a list of named ones."""
    if not isinstance(value, list):
        return value if isinstance(value, str) else None
    named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
    return _for_tools(named.get("tool_use") or named.get("default"))


@cache
def _derived(template: str) -> str | TemplateRefusal:
    try:
        return format_of_template(template)
    except TemplateRefusal as refusal:
        return refusal


def _in_text(name: str) -> CallFormat:
    if name in (AUTO, IN_TEXT):
        return CallFormat(IN_TEXT)
    return CallFormat(name, f"{_KEY} is {name}, but prompt.catalog: text writes calls in the format {IN_TEXT}")


def _disagreement(name: str, template: ServedTemplate) -> str | None:
    """What to say if the template does not write calls in the format that was named."""
    if name in FORMATS and _reads(name, template.text):
        return None
    derived = _derived(template.text)
    if isinstance(derived, TemplateRefusal):
        return f"{_KEY} is {name}, but of {template.file}: {derived}; {OTHER_TEMPLATE}"
    return f"{_KEY} is {name}, but {template.file} writes calls in the format {derived}: set {derived} or {AUTO}"


@cache
def _reads(name: str, template: str) -> bool:
    """Whether a format reads a call that the template renders; several may, since some notations overlap."""
    try:
        turn = render_call_turn(template, [_PROBE])
    except TemplateRefusal:
        return False
    return parse(turn.text, name, _PROBE_TOOLS) == [_PROBE]
