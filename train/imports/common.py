"""What the sessions of a domain have in common: one catalog of all tools, and the most common system prompt."""

import json
from collections import Counter
from typing import Any

from callproof.config import PromptConfig
from callproof.sessions import Session
from callproof.turns import NO_TOOLS, system_prompt


class Common:
    """Takes the sessions in order; `tools` are then those of all, each as the last session has it."""

    def __init__(self) -> None:
        self.tools: dict[str, dict[str, Any]] = {}
        self.without_tools = 0
        self._places: dict[str, dict[str, str]] = {}
        self._systems: Counter[str] = Counter()

    def add(self, where: str, session: Session) -> None:
        self._systems[session.system or ""] += 1
        self.without_tools += not session.tools or not session.tools.tools
        for tool in (session.tools or NO_TOOLS).tools:
            wire = tool.wire()
            self.tools[tool.name] = wire
            self._places.setdefault(tool.name, {}).setdefault(json.dumps(wire, sort_keys=True), where)

    @property
    def conflicts(self) -> list[str]:
        """The tools of which sessions have different definitions, a line each, with the places of the first ones."""
        return [
            f"tool {name!r} has {len(places)} definitions, first at {', '.join(list(places.values())[:5])}; "
            "tools.json has the last one, sessions with another keep theirs"
            for name, places in self._places.items()
            if len(places) > 1
        ]

    @property
    def system(self) -> str:
        """The most common system prompt; empty where most sessions have none."""
        return self._systems.most_common(1)[0][0] if self._systems else ""

    @property
    def systems(self) -> int:
        """How many different system prompts there are."""
        return len(self._systems)

    def without_common(self, session: Session) -> Session:
        """The session without what `tools.json` and `system_prompt.md` say as well, to the letter."""
        tools = {tool.name: tool.wire() for tool in (session.tools or NO_TOOLS).tools}
        own_system = session.system or ""
        shared = own_system == self.system and own_system == system_prompt(own_system, "", PromptConfig())
        changes = {
            "tools": None if tools and tools == self.tools else session.tools or NO_TOOLS,
            "system": None if shared and own_system else own_system,
        }
        return session.model_copy(update=changes)
