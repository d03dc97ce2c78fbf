"""The wrong answers to a turn as what stands beside the recorded one: minimal pairs, by the kind of mistake.

Right and wrong should differ in the mistake and in nothing else, or a model learns whatever else differs:

    wrong arguments or tool, a call too many    the recorded message with the model's calls in place of its own; their
                                                arguments in the recorded order
    a call where none was right                 the call alone: the decision is the mistake
    no call, an empty answer, a malformed call  the model's text as it came

An answer that was cut off is left out: its end is the server's. So are malformed calls of which a server keeps no text.
"""

import json
from collections.abc import Iterable, Iterator

from callproof.calls import ToolCall
from callproof.scoring import Outcome
from callproof.sessions import Message, Rejected

MOST = 4
"""Wrong answers to a turn that are kept; only different ones are."""


def rejected_answers(outcomes: Iterable[Outcome], message: Message) -> tuple[Rejected, ...]:
    """The different wrong answers among outcomes, each once, at most `MOST`."""
    found: dict[str, Rejected] = {}
    for outcome in outcomes:
        if outcome.outcome != "ok" and (answer := rejected_answer(outcome, message)):
            found.setdefault(json.dumps(answer.model_dump(mode="json"), sort_keys=True), answer)
    return tuple(found.values())[:MOST]


def rejected_answer(outcome: Outcome, message: Message) -> Rejected | None:
    """A wrong answer beside the recorded `message`; None where it teaches nothing."""
    if "truncated" in outcome.labels:
        return None
    calls = [call for call in outcome.calls if isinstance(call, ToolCall)]
    if calls and len(calls) == len(outcome.calls):
        content = message.content if message.tool_calls else ""
        return Rejected(content=content, tool_calls=tuple(_in_order(calls, message.tool_calls)))
    return None if outcome.answer.tool_calls else Rejected(raw=outcome.answer.text)


def _in_order(calls: Iterable[ToolCall], recorded: Iterable[ToolCall]) -> Iterator[ToolCall]:
    """The calls with arguments in the order of the recorded call of that tool, others behind."""
    order = {call.name: list(call.arguments) for call in recorded}
    for call in calls:
        known = [name for name in order.get(call.name, ()) if name in call.arguments]
        names = dict.fromkeys((*known, *call.arguments))
        yield ToolCall(name=call.name, arguments={name: call.arguments[name] for name in names})
