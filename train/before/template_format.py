"""The format of a chat template's calls: its name, a call as the template writes it, and what vLLM makes of that."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from callproof.calls import ToolCall, parse
from callproof.calls.formats import FORMATS, TemplateRefusal, format_of_template, render_call_turn, tools_of
from callproof.errors import UserError

CALL = ToolCall(name="find_train", arguments={"town": 'Zürich\'s "HB"', "platform": 3, "direct": True, "note": "3"})
TIMEOUT_S = 300
_VLLM = r"""
import json, sys
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.tool_parsers import ToolParserManager
asked = json.load(sys.stdin)
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
inner = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
inner.add_special_tokens([AddedToken(tag, special=True, normalized=False) for tag in asked["tags"]])
request = ChatCompletionRequest(messages=[{"role": "user", "content": "?"}], tools=asked["tools"], model="m")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
parser = ToolParserManager.get_tool_parser(asked["name"])(tokenizer, request.tools)
calls = parser.extract_tool_calls(asked["text"], request).tool_calls
print(json.dumps([{"name": call.function.name, "arguments": call.function.arguments} for call in calls]))
"""


def describe(where: str, template: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What `callproof train format` prints.

    Args:
        where: what errors name.
        template: Jinja source.
        variables: special tokens and `prompt.template_kwargs`.

    Returns:
        `format`, `call` (as recorded), `text` (as the template writes it), `end` (what follows it in the template),
        `read` (what callproof reads) and `vllm` (what vLLM's parser of that name reads, or why nobody can tell).

    Raises:
        UserError: the template fails, writes no call, or one that no known format reads.
    """
    try:
        name = format_of_template(template, **variables)
        turn = render_call_turn(template, [CALL], **variables)
    except TemplateRefusal as error:
        mend = "choose another template, prompt.catalog: text, or model.chat_template: hermes"
        raise UserError(where, " ".join(str(error).split()), mend) from None
    tools = tools_of([CALL])
    read = parse(turn.text, name, {CALL.name: tools[0]["function"]["parameters"]})
    return {
        "format": name,
        "call": CALL.model_dump(mode="json"),
        "text": turn.text,
        "end": turn.end,
        "read": [call.model_dump(mode="json") for call in read],
        "vllm": _vllm_reads(name, turn.text, tools),
    }


def _vllm_reads(name: str, text: str, tools: list[dict[str, Any]]) -> Any:
    """The calls that vLLM's parser reads, in a subprocess, since its import is slow; else why there are none."""
    if not find_spec("vllm"):
        return "vLLM is not installed"
    form = FORMATS[name]
    tags = sorted({*form.special_tags, *form.wrappers, *form.ends, *form.thinking})
    request = json.dumps({"name": name, "text": text, "tools": tools, "tags": tags})
    command = [sys.executable, "-c", _VLLM]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"vLLM gave no answer in {TIMEOUT_S} s"
    if done.returncode:
        return f"vLLM's parser fails: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    calls = json.loads(done.stdout.splitlines()[-1])
    return [{"name": call["name"], "arguments": _value(call["arguments"])} for call in calls]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
