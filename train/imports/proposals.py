"""Questions that a person may answer without a call, where the sessions show no restraint.

Each is the beginning of a session up to a question that was answered with a call, and the tools without those that it
called: if nothing that is left does what is asked, the right answer is text. That text nobody has written. A proposal
ends with the user, so that readers count it as one that has nothing to learn: a person checks that the tools that are
left cannot answer the question, writes the answer, takes the key `proposal` out, and moves the line.
"""

import json
from pathlib import Path
from typing import Any

from callproof.records import replacing
from callproof.sessions import Session
from callproof.turns import NO_TOOLS

NAME = "proposed_no_call.jsonl"
MOST = 50


class Proposals:
    """Takes the sessions of the training side, and keeps the first MOST questions."""

    def __init__(self, tools: dict[str, dict[str, Any]]) -> None:
        self._all = tools
        self._kept: dict[str, dict[str, Any]] = {}

    def add(self, session: Session) -> None:
        """Keep what a session proposes, if it proposes anything."""
        if len(self._kept) < MOST and (proposal := self._of(session)):
            self._kept.setdefault(str(proposal["messages"][-1]["content"]), proposal)

    def _of(self, session: Session) -> dict[str, Any] | None:
        own = {tool.name: tool.wire() for tool in (session.tools or NO_TOOLS).tools} or self._all
        called = {call.name for message in session.messages for call in message.tool_calls}
        left = [tool for name, tool in own.items() if name not in called]
        first = next((at for at, message in enumerate(session.messages) if message.tool_calls), 0)
        if not first or not left or session.messages[first - 1].role != "user":
            return None
        record = session.record()
        return {
            "session_id": f"{session.session_id}-no-call",
            "proposal": f"answer in text, since {', '.join(sorted(called))} is taken out; then take this key out",
            "tools": left,
            **({"system": session.system} if session.system is not None else {}),
            "messages": record["messages"][:first],
        }

    def write(self, folder: Path) -> str | None:
        """Write what was kept, and say so in one line; None where there is nothing."""
        if not self._kept:
            return None
        with replacing(folder / NAME) as file:
            file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in self._kept.values())
        return f"{folder / NAME}: {len(self._kept)} questions without the tool that they need, for a person to answer"
