"""One answer of a trained adapter, or of a merged model, without a server: a quick look at what it says.

The prompt is assembled as for training and evaluation (see callproof/turns/prompt.py), as a session of one message; the
answer is parsed as evaluation parses it, and its calls are checked against the catalog.
"""

import sys
from pathlib import Path
from typing import Any

from transformers import TextStreamer

from callproof.calls import MalformedCall, parse_answer
from callproof.catalog import Catalog, read_catalog
from callproof.config import ModelConfig, PromptConfig, RunConfig
from callproof.errors import UserError
from callproof.records import refuse_half_characters
from callproof.sessions import Message, Session
from callproof.turns import Conversation, Domain, conversation

from ..rows.data import from_pretrained, load_tokenizer
from ..rows.encode import Encoder
from .adapters import SavedAdapter, adapter_tokenizer, load_with_adapter

SESSION_ID = "infer"


def make_conversation(
    prompt: str, config: RunConfig | None, system: str | None, tools: Path | None
) -> tuple[Conversation, Catalog]:
    """The conversation that `prompt` opens, and its catalog.

    Args:
        prompt: what the user says.
        config: its domain gives system prompt and catalog; without it only `system` and `tools` do.
        system: a system prompt in place of the domain's, taken as it stands.
        tools: a tools.json in place of the domain's.

    Raises:
        UserError: the prompt is empty, or a file is missing or malformed.
    """
    for where, text in (("--prompt", prompt), ("--system", system or "")):
        refuse_half_characters(text, where)
    if not prompt.strip():
        raise UserError("--prompt", "is empty", "say something")
    catalog = read_catalog(tools) if tools else None if config else Catalog(tools=())
    question = (Message(role="user", content=prompt),)
    session = Session(
        session_id=SESSION_ID, system=system if config else system or "", tools=catalog, messages=question
    )
    if config:
        domain = Domain(config)
        return domain.conversation(session, "--prompt"), domain.catalog(session, "--prompt")
    assert catalog is not None
    return conversation(session, "", catalog, PromptConfig()), catalog


def load_answering(source: SavedAdapter | ModelConfig) -> tuple[Any, Any]:
    """(model, tokenizer) of an adapter or of a whole model; bfloat16 on a GPU, float32 on a CPU.

    Raises:
        UserError: model or adapter is not there, or they do not fit.
    """
    import torch
    from transformers import AutoModelForCausalLM

    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    if isinstance(source, SavedAdapter):
        model, tokenizer = load_with_adapter(source, dtype), adapter_tokenizer(source)
    else:
        model, tokenizer = from_pretrained(AutoModelForCausalLM, source, dtype=dtype), load_tokenizer(source)
    return model.to("cuda" if on_gpu else "cpu").eval(), tokenizer


def generate(
    model: Any, tokenizer: Any, talk: Conversation, max_tokens: int, temperature: float
) -> tuple[str, str, str]:
    """Answer a conversation; the text is also streamed to stderr as it comes.

    Returns:
        (text, finish reason "stop" or "length", name of the format of its calls).

    Raises:
        UserError: prompt and answer do not fit into the model's context.
    """
    import torch

    encoder = Encoder(tokenizer)
    text = encoder.prompt(talk)
    prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    size, longest = prompt["input_ids"].shape[1], getattr(model.config, "max_position_embeddings", None)
    if longest and size + max_tokens > longest:
        problem = f"{size} tokens and an answer of {max_tokens} are over the model's {longest}"
        raise UserError("--prompt", problem, "shorten the prompt, or lower --max-tokens")
    ends, skip_special = _ends(model, encoder), not encoder.template.special_tags
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    with torch.inference_mode():
        ids = model.generate(
            **prompt,
            max_new_tokens=max_tokens,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
            streamer=_Stderr(tokenizer, skip_special),
            **sampling,
        )[0, size:].tolist()
    end = next((at for at, token in enumerate(ids) if token in ends), None)
    said = encoder.decode(prompt["input_ids"][0].tolist(), ids[:end], skip_special_tokens=skip_special)
    format = encoder.format_of("text" if talk.calls_in_text else "tools") or "hermes"
    return said, "length" if end is None else "stop", format


def _ends(model: Any, encoder: Encoder) -> list[int]:
    """The tokens at which a server stops: the tokenizer's, and those of the generation config."""
    configured = model.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [configured]
    return sorted({*encoder.template.ends, *(token for token in more if token is not None)})


class _Stderr(TextStreamer):
    def __init__(self, tokenizer: Any, skip_special: bool) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=skip_special)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        print(text, file=sys.stderr, end="\n" if stream_end else "", flush=True)


def judged(text: str, finish_reason: str, format: str, catalog: Catalog) -> dict[str, Any]:
    """The answer as JSON: its text, calls, malformed calls, and what the catalog finds wrong with the calls."""
    parsed = parse_answer(text, finish_reason, format, catalog.parameters)
    malformed = [call for call in parsed.calls if isinstance(call, MalformedCall)]
    calls = [call for call in parsed.calls if not isinstance(call, MalformedCall)]
    return {
        "text": text,
        "finish_reason": finish_reason,
        "calls": [call.model_dump(mode="json") for call in calls],
        "malformed": [call.model_dump(mode="json") for call in malformed],
        "problems": [f"{call.name}: {problem}" for call in calls for problem in catalog.problems(call)],
    }
