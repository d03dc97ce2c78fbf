"""What makes a score doubtful that a server gave."""

from collections.abc import Sequence

from callproof.endpoint import Abilities
from callproof.scoring import Answer, Channel


def server_warnings(servers: Sequence[Abilities]) -> list[str]:
    """Warnings about the servers that make a score doubtful."""
    warnings = [
        f"{server.url}: the prompt does not hold the turn's tools: give the server a chat template that renders them"
        for server in servers
        if server.catalog_in_prompt is False
    ]
    for what, values in (
        ("versions", {server.version for server in servers}),
        ("prompts", {server.prompt_hash for server in servers}),
        ("raw texts", {server.raw_text for server in servers}),
    ):
        if len(values) > 1:
            warnings.append(f"the endpoints differ in their {what}: {', '.join(sorted(map(str, values)))}")
    return warnings


def tells_no_tokens(server: Abilities, channel: Channel, answer: Answer, from_tokens: bool) -> str | None:
    """A warning if a raw answer came without its token ids, though the server can read them; otherwise None."""
    if channel != "raw" or server.raw_text == "content" or from_tokens or answer.error is not None:
        return None
    return f"{server.url}: answers without token ids: the raw text is what the server's parser leaves of it"
