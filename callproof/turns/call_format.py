"""The format of calls that follows from the chat template that a model is trained and served with.

The name of a format is vLLM's `--tool-call-parser` too, so one name configures serving, scoring and the display of
answers. It is derived from the template unless `serve.tool_call_parser` names one. What the checkpoint declares itself
(`response_template` in its tokenizer_config.json) is a hint: it decides where several formats read what the template
writes, and where the template cannot be tried; where it says something else than the template writes, that is said.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from callproof.calls import ToolCall, parse
from callproof.calls.formats import (
    FORMATS,
    NO_KNOWN_FORMAT,
    RENDERS_NO_CALL,
    TemplateRefusal,
    formats_of_template,
    opens_thinking,
    render_call_turn,
)
from callproof.config import ModelConfig, RunConfig
from callproof.errors import UserError

from .base_files import ServedTemplate, chat_template, response_template, special_tokens
from .response_hint import declared_formats

AUTO = "auto"
IN_TEXT = "hermes"
"""The format of calls where the prompt shows the catalog as text."""
OTHER_TEMPLATE = "set model.chat_template to hermes, or to a template that renders calls"
_KEY = "serve.tool_call_parser"
_DECLARES = "response_template in tokenizer_config.json declares"
_PROBE = ToolCall(name="find_train", arguments={"town": "Bern", "seats": 2})
_PROBE_TOOLS = {
    "find_train": {"type": "object", "properties": {"town": {"type": "string"}, "seats": {"type": "integer"}}}
}


class CallFormat(NamedTuple):
    """How a model writes calls.

    Attributes:
        name: of the format, as vLLM names its parser.
        warning: a line for the user if the name was set and the chat template does not write that format, or if the
            checkpoint declares another one.
        special_tags: whether the tokenizer marks tags of the format special, so that a server leaves them out of a text
            unless it is told to keep them; true if the tokenizer is not on this machine.
    """

    name: str
    warning: str | None = None
    special_tags: bool = True


HERMES = CallFormat("hermes")


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
    name, warning = _named(config, where)
    return CallFormat(name, warning, _has_special_tags(name, config.model))


def _named(config: RunConfig, where: object) -> tuple[str, str | None]:
    """The name, and the warning."""
    name = config.serve.tool_call_parser
    if config.prompt.catalog == "text":
        return _in_text(name)
    template, hint = chat_template(config.model), declared_formats(response_template(config.model))
    if name != AUTO:
        return name, template and _disagreement(name, template)
    if template is None:
        return _without_template(config, hint, where)
    derived = _derived(template.text)
    if isinstance(derived, TemplateRefusal):
        return _despite(derived, template, hint)
    if not hint and hint is not None:
        return derived[0], f"{template.file} writes calls in the format {derived[0]}, but {_DECLARES} an unknown form"
    agreed = [form for form in derived if hint and form in hint]
    if hint and not agreed:
        declared = " or ".join(hint)
        return derived[0], f"{template.file} writes calls in the format {derived[0]}, but {_DECLARES} {declared}"
    return (agreed or derived)[0], None


def readable_format(config: RunConfig, where: object = "the configuration") -> CallFormat:
    """The format, for reading answers here.

    Raises:
        UserError: as `call_format`, or callproof cannot read the format.
    """
    format = call_format(config, where)
    if format.name not in FORMATS:
        problem = f"{format.name!r} is no format that callproof can read"
        raise UserError(f"{where}: {_KEY}", problem, f"name one of: {', '.join(sorted(FORMATS))}")
    return format


def prefills_thinking(config: RunConfig) -> bool:
    """Whether the chat template ends the prompts of a configuration inside thinking; false if it is not here.

    Raises:
        UserError: a file is missing or malformed.
    """
    template = chat_template(config.model)
    return template is not None and opens_thinking(template.text, **config.prompt.template_kwargs)


def _has_special_tags(name: str, model: ModelConfig) -> bool:
    if name not in FORMATS:
        return True
    form, special = FORMATS[name], special_tokens(model)
    if special is None:
        return bool(form.special_tags)
    tags = {*form.special_tags, *form.wrappers, *form.openings}.difference(form.ends).union(*form.thoughts)
    return not tags.isdisjoint(special)


def _without_template(config: RunConfig, hint: list[str] | None, where: object) -> tuple[str, str | None]:
    """What the checkpoint declares, where its template is not known."""
    base = config.model.base_model
    missing = "has no chat template" if Path(base).is_dir() else "is not on this machine"
    if hint and len(hint) == 1:
        return hint[0], f"{base} {missing}; {_DECLARES} {hint[0]}, and that is used"
    mend = f"name the format, such as {_KEY}: hermes, or set model.chat_template, or download the base"
    raise UserError(f"{where}: {_KEY}", f"is auto, but {base} {missing}", mend)


def _despite(refusal: TemplateRefusal, template: ServedTemplate, hint: list[str] | None) -> tuple[str, str | None]:
    """What the checkpoint declares, where its template cannot be tried; else a UserError."""
    cannot_be_tried = not str(refusal).startswith((RENDERS_NO_CALL, NO_KNOWN_FORMAT))
    if hint and len(hint) == 1 and cannot_be_tried:
        return hint[0], f"{template.file} cannot be tried ({refusal}); {_DECLARES} {hint[0]}, and that is used"
    said = f"; {_DECLARES} {' or '.join(hint) or 'an unknown form'}" if hint is not None else ""
    raise UserError(template.file, f"{refusal}{said}", f"{OTHER_TEMPLATE}, or name the format in {_KEY}")


@cache
def _derived(template: str) -> list[str] | TemplateRefusal:
    try:
        return formats_of_template(template)
    except TemplateRefusal as refusal:
        return refusal


def _in_text(name: str) -> tuple[str, str | None]:
    if name in (AUTO, IN_TEXT):
        return IN_TEXT, None
    return name, f"{_KEY} is {name}, but prompt.catalog: text writes calls in the format {IN_TEXT}"


def _disagreement(name: str, template: ServedTemplate) -> str | None:
    """What to say if the template does not write calls in the format that was named."""
    if name in FORMATS and _reads(name, template.text):
        return None
    derived = _derived(template.text)
    if isinstance(derived, TemplateRefusal):
        return f"{_KEY} is {name}, but of {template.file}: {derived}; {OTHER_TEMPLATE}"
    written = derived[0]
    return f"{_KEY} is {name}, but {template.file} writes calls in the format {written}: set {written} or {AUTO}"


@cache
def _reads(name: str, template: str) -> bool:
    """Whether a format reads a call that the template renders; several may, since some notations overlap."""
    try:
        turn = render_call_turn(template, [_PROBE])
    except TemplateRefusal:
        return False
    return parse(turn.text, name, _PROBE_TOOLS) == [_PROBE]
