"""The lint of gold, before it is scored against or learnt: the catalog must accept every call that is right."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from callproof.calls import ToolCall
from callproof.catalog import Catalog
from callproof.console import say_once
from callproof.deadline import deadline
from callproof.errors import UserError
from callproof.sessions import GoldCall, Session, calls_in_text

LINT_S = 10.0
"""Of processor time, for one gold call."""


class GoldLint(NamedTuple):
    """What a catalog says of gold calls: why it rejects some, and which it cannot judge, a line each.

    `refused`: of a session, the tools of its recorded calls that the catalog rejects, one for each call.
    """

    problems: list[str]
    unjudged: list[str]
    refused: tuple[str, ...] = ()


def lint_call(call: GoldCall, catalog: Catalog) -> GoldLint:
    """What a catalog says of a gold call, with each of its accepted values; no line stands there twice."""
    validity = catalog.validity(call)
    problems = dict.fromkeys((*validity.problems, *_problems_of_others(call, catalog)))
    return GoldLint(list(problems), [validity.unjudged] if validity.unjudged else [])


def _problems_of_others(call: GoldCall, catalog: Catalog) -> Iterator[str]:
    """The problems that the `any_of` values of a call cause."""
    for name, values in call.any_of.items():
        for value in values:
            yield from catalog.problems(ToolCall(name=call.name, arguments={**call.arguments, name: value}))


def _slips(call: GoldCall, catalog: Catalog) -> Iterator[str]:
    """What a person accepts though no right call can have it: an argument left out that the tool needs, or one that it
    does not know."""
    for name in call.optional:
        rest = {key: value for key, value in call.arguments.items() if key != name}
        yield from catalog.problems(ToolCall(name=call.name, arguments=rest))
    declared = catalog.parameters.get(call.name, {}).get("properties")
    if isinstance(declared, dict):
        unknown = (name for name in call.ignore if name not in declared and name not in call.arguments)
        yield from (f"{name}: accepted, but the tool has no such argument" for name in unknown)


def lint_gold(session: Session, catalog: Catalog) -> GoldLint:
    """The lint of a session's recorded calls and of the alternatives to them, in lines such as
    `message 3: call of 'find' is rejected: ...`."""
    lint, refused = GoldLint([], []), list[str]()
    for index, message in enumerate(session.messages):
        if message.train:
            problems, unjudged, rejected = lint_message(session, index, catalog)
            lint.problems.extend(problems)
            lint.unjudged.extend(unjudged)
            refused += rejected
    return lint._replace(refused=tuple(refused))


def lint_message(session: Session, index: int, catalog: Catalog) -> GoldLint:
    """The lint of one message, as of `lint_gold`, whether it is learnt or not."""
    message, lint = session.messages[index], GoldLint([], [])
    is_right = not message.acceptances and all(map(catalog.surely_accepts, message.tool_calls))
    if is_right and session.tools is not None and not message.alternatives:
        return lint
    if message.role == "assistant" and session.tools is None:
        lint.problems.extend(_unread_calls(index, message.content, catalog))
    refused = [] if is_right else _add(lint, f"message {index}", message.gold, catalog)
    for number, answer in enumerate(message.alternatives, start=1):
        _add(lint, f"message {index}, alternative {number}", answer, catalog)
    return lint._replace(refused=tuple(refused))


def _unread_calls(index: int, content: str, catalog: Catalog) -> list[str]:
    """A line on the calls that a text holds, as its domain's tools tell, and that were not read as such."""
    try:
        calls = calls_in_text(f"message {index}", content, catalog.parameters).calls
    except UserError as error:
        return [f"message {index}: its text holds {error.args[1]}"]
    return [f"message {index}: its text calls {calls[0].name!r}, which was not read as a call"] if calls else []


def _add(lint: GoldLint, place: str, calls: Iterable[GoldCall], catalog: Catalog) -> list[str]:
    """Note what a catalog says of calls; gives the tools of those that it rejects."""
    refused: list[str] = []
    for call in calls:
        problems, unjudged, rejected = _lint_in_time(call, catalog)
        refused += rejected
        lint.problems.extend(f"{place}: call of {call.name!r} is rejected: {problem}" for problem in problems)
        lint.unjudged.extend(f"{place}: call of {call.name!r} is not checked: {reason}" for reason in unjudged)
    return refused


def _lint_in_time(call: GoldCall, catalog: Catalog) -> GoldLint:
    try:
        with deadline(LINT_S, of_processor=True):
            problems, unjudged, _ = lint_call(call, catalog)
            rejected = (call.name,) if problems else ()
            return GoldLint(list(dict.fromkeys((*problems, *_slips(call, catalog)))), unjudged, rejected)
    except TimeoutError:
        return GoldLint([], ["judging takes too long"])


def check_gold(session: Session, catalog: Catalog, where: str) -> None:
    """Raise a UserError for the first gold call that its catalog rejects; name on stderr those it cannot judge."""
    lint = lint_gold(session, catalog)
    if lint.problems:
        raise UserError(where, lint.problems[0], "correct the call or the schema")
    for line in lint.unjudged:
        say_once(f"{where}: {line}")
