"""`prompt.question`: a Jinja file that writes the user's message of a question or instruction.

Its variables are `instruction`, `input` (texts) and `context` (a list of texts); those that a record lacks are empty.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callproof.deadline import RENDER_S, deadline
from callproof.errors import UserError
from callproof.records import read_text

if TYPE_CHECKING:  # slow to import, and seldom needed
    from jinja2 import Template

PARTS = ("instruction", "input", "context")


def asked(record: dict[str, Any], where: str, path: Path) -> dict[str, Any]:
    """The record with its question as the template of `path` writes it, as one `input`.

    Raises:
        UserError: a template that cannot be read or fails, a record of another form, or an empty question.
    """
    from jinja2 import TemplateError

    answers = [key for key in ("response", "output") if record.get(key) is not None]
    if not answers or not any(record.get(key) is not None for key in ("instruction", "input")):
        problem = "has no question for prompt.question to write (keys instruction or input, and response)"
        raise UserError(where, problem, "give records of that form, or leave prompt.question out")
    context = record.get("context") or []
    parts = {"instruction": record.get("instruction") or "", "input": record.get("input") or ""}
    try:
        with deadline(RENDER_S):
            text = _template(path).render(**parts, context=[context] if isinstance(context, str) else context)
    except (TemplateError, TypeError, ValueError, ArithmeticError, TimeoutError) as error:
        problem = f"cannot be written for {where} ({' '.join(str(error).split())})"
        raise UserError(path, problem, f"its variables are {', '.join(PARTS)}") from None
    if not text.strip():
        raise UserError(path, f"writes nothing for {where}", f"its variables are {', '.join(PARTS)}")
    rest = {key: value for key, value in record.items() if key not in (*PARTS, "output", "response")}
    return {**rest, "input": text, "response": record[answers[0]]}


@cache
def _template(path: Path) -> "Template":
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
    try:
        return environment.from_string(read_text(path))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise UserError(f"{path}:{line}" if line else path, f"is no Jinja template ({error})", "mend it") from None
