"""Tools of recorded calls, for an old folder whose catalogue is gone."""

import json
from typing import Any

from callproof.errors import UserError
from callproof.sessions import read_records, to_session


def recorded_tools(sources: str | list[str]) -> str | None:
    """The text of a tools.json: each tool that a session without tools calls, with the names of its arguments.

    None where there is no such session, or they cannot be read (training says why).
    """
    tools: dict[str, dict[str, Any]] = {}
    try:
        for source in [sources] if isinstance(sources, str) else sources:
            for found in read_records(source):
                session = to_session(found.record, found.where, found.name)
                calls = [call for message in session.messages for call in message.tool_calls]
                for call in calls if session.tools is None else ():
                    tools.setdefault(call.name, {}).update({name: {} for name in call.arguments})
    except UserError:
        return None
    functions = [
        {"name": name, "parameters": {"type": "object", "properties": arguments}} for name, arguments in tools.items()
    ]
    entries = [{"type": "function", "function": function} for function in functions]
    return json.dumps(entries, ensure_ascii=False, indent=2) + "\n" if entries else None
