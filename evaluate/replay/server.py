"""What a run records about its servers, and whether they put the tools into the prompt at all."""

from collections.abc import Sequence

from callproof.endpoint import Endpoint, RawText, prompt_tokens, raw_text_of, shows_catalog
from callproof.records import Record
from callproof.scoring import Answer, Channel
from callproof.turns import Turn, digest


class Server(Record):
    """One endpoint; None stands for what it does not report.

    Attributes:
        template_hash: of its chat template (vLLM reports it with `--enable-tokenizer-info-endpoint`).
        prompt_hash: of the prompt tokens of one turn; it changes with the template and the tokenizer.
        catalog_in_prompt: whether those tokens hold the turn's tools.
        bare_tokens: the number of prompt tokens without tools.
        raw_text: what the text of a raw answer is made from.
    """

    url: str
    version: str | None = None
    template_hash: str | None = None
    prompt_hash: str | None = None
    catalog_in_prompt: bool | None = None
    bare_tokens: int | None = None
    raw_text: RawText = "content"


async def look(endpoint: Endpoint, turn: Turn, model: str, raw_format: str | None) -> Server:
    """Ask an endpoint for its version, template and the prompt of one turn; nothing is generated.

    Args:
        raw_format: in which the model writes calls; None where the raw channel is not asked.

    Raises:
        UserError: the raw text cannot be had.
    """
    template = (await endpoint.probe("/tokenizer_info")).get("chat_template")
    prompt = await prompt_tokens(endpoint, turn, model, with_tools=True)
    bare = await prompt_tokens(endpoint, turn, model, with_tools=False)
    return Server(
        url=endpoint.root,
        version=await endpoint.version(),
        template_hash=digest(template) if template else None,
        prompt_hash=digest(prompt) if prompt else None,
        catalog_in_prompt=await shows_catalog(endpoint, turn, model, prompt, bare),
        bare_tokens=len(bare) if turn.tools and bare else None,
        raw_text=await raw_text_of(endpoint, model, prompt[:1] or [0], raw_format) if raw_format else "content",
    )


def probe_turn(turns: Sequence[Turn]) -> Turn:
    """The first turn with tools, or the first."""
    return next((turn for turn in turns if turn.tools), turns[0])


def server_warnings(servers: Sequence[Server]) -> list[str]:
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


def leaves_tools_out(server: Server, channel: Channel, answer: Answer) -> str | None:
    """A warning if the prompt tokens of a raw answer show that the server left the tools out; otherwise None."""
    counted = (answer.usage or {}).get("prompt_tokens")
    if channel != "raw" or not server.catalog_in_prompt or not counted or counted != server.bare_tokens:
        return None
    flag = "--exclude-tools-when-tool-choice-none"
    return f"{server.url}: with tool_choice none the prompt does not hold the tools: start the server without {flag}"


def tells_no_tokens(server: Server, channel: Channel, answer: Answer, from_tokens: bool) -> str | None:
    """A warning if a raw answer came without its token ids, though the server can read them; otherwise None."""
    if channel != "raw" or server.raw_text == "content" or from_tokens or answer.error is not None:
        return None
    return f"{server.url}: answers without token ids: the raw text is what the server's parser leaves of it"
