"""Examples made of the records of software-engineering sets, each known to be read back as a session."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from callproof.console import say
from callproof.errors import UserError
from callproof.sessions import Found, to_session

from .code import Code, files, hunks
from .layouts import LeftOut, Task, conversations, is_trajectory, name_under, read_task, task_id
from .wanted import Wanted

_MEND = "Mend the bug that is described here. Answer with a unified diff."
_WHICH = "Which files does the fix change? Name one on each line."
_WRITE = "Write the fix as a unified diff."
_CODE = "This is the code before the fix."

_KEPT = ("role", "content", "name", "tool_calls", "tool_call_id", "thinking", "reasoning", "reasoning_content")


def examples(records: Iterator[Found], wanted: Wanted, source: str) -> Iterator[dict[str, Any]]:
    """The examples of records, streamed; what is left out is counted and said at the end.

    Raises:
        UserError: a record of no known layout, or one that cannot be read back (`where`); no example at all.
    """
    makes = _instruction if wanted.form == "swe-synth" else _conversation
    account = _Account()
    for found in records:
        account.records += 1
        try:
            for example in makes(found, wanted, account):
                yield _known_to_read(account.named(example), found.where)
        except LeftOut as reason:
            account.leave_out(str(reason), found.where)
    for sentence in account.sentences():
        say(f"{source}: {sentence}")
    if not account.seen:
        raise UserError(source, f"no example in {account.records} records", "see the reasons above")


class _Account:
    """What became of the records."""

    def __init__(self) -> None:
        self.records = 0
        self.seen = Counter[str]()
        self.keys = Counter[str]()
        self._reasons = Counter[str]()
        self._first: dict[str, str] = {}

    def leave_out(self, reason: str, where: str) -> None:
        self._reasons[reason] += 1
        self._first.setdefault(reason, where)

    def named(self, example: dict[str, Any]) -> dict[str, Any]:
        """The example with its own id: further ones of an instance are numbered, and stay on its side of a split."""
        instance = example["instance_id"]
        self.seen[instance] += 1
        if self.seen[instance] == 1:
            return example
        return {**example, "instance_id": f"{instance}#{self.seen[instance]}", "conversation": instance}

    def sentences(self) -> Iterator[str]:
        for reason, count in self._reasons.items():
            yield f"{count} record{'s' * (count != 1)} left out, first {self._first[reason]}: {reason}"
        if self.keys:
            yield f"keys of messages left out: {', '.join(sorted(self.keys))}"


def _instruction(found: Found, _: Wanted, __: _Account) -> Iterator[dict[str, Any]]:
    """One instruction and its response."""
    if is_trajectory(found.record):
        raise UserError(found.where, "is a trajectory, which is no instruction", "use the form swe")
    task = read_task(found)
    yield {"instance_id": task.instance, "instruction": f"{_MEND}\n\n{task.issue}", "response": task.answer}


def _conversation(found: Found, wanted: Wanted, account: _Account) -> Iterator[dict[str, Any]]:
    """A conversation about a task in two questions, or those that a trajectory holds."""
    if is_trajectory(found.record):
        if wanted.mode != "simple":
            raise UserError(found.where, "is a trajectory, which has its code in it", "leave --mode out")
        yield from _trajectories(found, account)
        return
    task = read_task(found)
    said = (f"{task.issue}\n\n{_WHICH}", "\n".join(file.path for file in task.fix), _request(task, wanted))
    yield {
        "instance_id": task.instance,
        "task_id": task.task,
        "messages": [
            {"role": role, "content": content}
            for role, content in zip(("user", "assistant") * 2, (*said, task.answer), strict=True)
        ],
    }


def _request(task: Task, wanted: Wanted) -> str:
    if wanted.mode == "simple":
        return _WRITE
    pieces = hunks(task) if wanted.source == "patch" else files(task, wanted.repos)
    new = [f"{file.new} is a new file." for file in task.fix if file.old is None]
    return "\n\n".join([_CODE, *map(_fenced, pieces), *new, _WRITE])


def _fenced(code: Code) -> str:
    """A piece of code between fences that are longer than any in it."""
    longest = max(map(len, re.findall("`+", code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    place = f"{code.path}, from line {code.start}" if code.start else code.path
    return f"{place}:\n{fence}\n{code.text.removesuffix(chr(10))}\n{fence}"


def _trajectories(found: Found, account: _Account) -> Iterator[dict[str, Any]]:
    record, where = found.record, found.where
    tools = {} if record.get("tools") is None else {"tools": record["tools"]}
    for number, messages in enumerate(conversations(found)):
        kept = [_message(message, f"{where}: messages.{number}", account) for message in messages]
        while kept and kept[-1]["role"] != "assistant":
            kept.pop()
        if not kept:
            raise LeftOut("no answer of the assistant")
        names = {"instance_id": name_under(record, "instance_id", where), "task_id": task_id(record, where)}
        yield {**names, "messages": kept, **tools}


def _message(message: Any, place: str, account: _Account) -> dict[str, Any]:
    """A message without what an agent wrote beside it for its own use."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise UserError(place, "expected messages with a role", "see docs/reference/data.md for the layouts")
    kept = {key: value for key, value in message.items() if key in _KEPT and value is not None}
    ids = message.get("tool_call_ids")
    if isinstance(ids, list) and len(ids) == 1:
        kept.setdefault("tool_call_id", ids[0])
    account.keys.update(key for key in message if key not in (*_KEPT, "tool_call_ids"))
    return {**kept, "content": kept.get("content", "")}


def _known_to_read(example: dict[str, Any], where: str) -> dict[str, Any]:
    """The example, once the reader of sessions has taken it, each text as text."""
    session = to_session(example, where, example["instance_id"])
    recorded = sum(len(message.get("tool_calls") or ()) for message in example.get("messages", ()))
    if sum(len(message.tool_calls) for message in session.messages) != recorded:
        problem = "the assistant's text holds <tool_call>, and would be read as a call"
        raise UserError(where, problem, "leave the record out")
    return example
