"""Training data: the sessions of a configuration as token rows."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

from callproof.config import Method, ModelConfig, RunConfig, Split, names_folder
from callproof.console import counted, say, say_once
from callproof.errors import UserError
from callproof.records import read_text
from callproof.sessions import Session
from callproof.turns import Conversation, Domain, check_gold, split_sessions, supervised

from .encode import Encoder, Row
from .hub_data import gated, is_gated, read_raw, require_hub
from .preferences import judged_rows, paired_rows
from .template import Unrenderable
from .texts import split_texts, text_row

ROWS: dict[Method, Callable[[Encoder, Conversation], list[Row]]] = {
    "sft": Encoder.rows,
    "dpo": paired_rows,
    "kto": judged_rows,
}
"""What each method learns of a session."""


@dataclass(frozen=True)
class Rows:
    """Rows of one sessions file, and what was left out of them.

    `dropped` holds the ids of sessions with a row over the context length, or that the chat template cannot write.
    """

    rows: list[Row]
    sessions: int
    dropped: list[str]

    def counts(self) -> dict[str, int]:
        """Figures for the manifest; tokens are those of the kept rows."""
        return {
            "sessions": self.sessions,
            "dropped_sessions": len(self.dropped),
            "rows": len(self.rows),
            "tokens": sum(len(row.input_ids) for row in self.rows),
            "supervised_tokens": sum(row.supervised for row in self.rows),
        }


class LeftOut(NamedTuple):
    """Why a session gives no rows."""

    reason: str
    unrenderable: bool = False


def encode_sessions(split: Split, config: RunConfig, encoder: Encoder, limit: int | None = None) -> Rows:
    """All (or the first `limit`) sessions of a split as rows; see `encode_session` for those that are left out whole.

    Raises:
        UserError: bad file or line, gold calls that the catalog rejects, or nothing left to train on.
    """
    if config.data.text == "as_is":
        return _encode_texts(split, config, encoder, limit)
    domain, method = Domain(config), config.train.method if split == "train" else "sft"
    rows: list[Row] = []
    dropped: list[str] = []
    count = lost = 0
    sessions = split_sessions(config, split, read_raw)
    for where, session in counted(sessions, f"encoding {config.data.source(split)}", "sessions"):
        check_gold(session, domain.catalog(session, where), where)
        count += 1
        learned = supervised(session, config.data.supervise)
        session_rows = encode_session(encoder, domain.conversation(learned, where), config, where, learned, method)
        if isinstance(session_rows, LeftOut):
            dropped.append(session.session_id)
            if session_rows.unrenderable:
                lost += 1
                say(f"{where}: session {session.session_id!r} is left out: {session_rows.reason}")
        else:
            rows += session_rows
        if count == limit:
            break
    if method != "sft" and count > len(dropped) and all(row.right for row in rows):
        problem = f"no message of {count} sessions has a rejected answer, of which train.method: {method} learns"
        raise UserError(config.data.source(split), problem, "make such sessions: callproof train harvest --help")
    if not any(row.supervised for row in rows):
        longest = context_length(config)
        unrenderable = f", {lost} that the chat template cannot write" if lost else ""
        left_out = f"{len(dropped) - lost} over {longest} tokens{unrenderable}"
        problem = f"no assistant turn left of {count} sessions ({left_out})"
        mend = "give sessions, or raise data.max_context_length"
        raise UserError(config.data.source(split), problem, mend)
    return Rows(rows, count, dropped)


def _encode_texts(split: Split, config: RunConfig, encoder: Encoder, limit: int | None) -> Rows:
    rows: list[Row] = []
    dropped: list[str] = []
    texts = counted(islice(split_texts(config, split), limit), f"encoding {config.data.source(split)}", "texts")
    for _, name, text in texts:
        row = text_row(encoder, text)
        if len(row.input_ids) > context_length(config):
            dropped.append(name)
        else:
            rows.append(row)
    if not rows:
        problem = f"all {len(dropped)} texts are over {context_length(config)} tokens"
        raise UserError(config.data.source(split), problem, "raise data.max_context_length")
    return Rows(rows, len(rows) + len(dropped), dropped)


def encode_session(
    encoder: Encoder,
    conversation: Conversation,
    config: RunConfig,
    where: str,
    session: Session,
    method: Method = "sft",
) -> list[Row] | LeftOut:
    """The rows that a method makes of one session, or why it is left out: too long, or `data.unrenderable` drops it.

    Raises:
        Unrenderable: the chat template does not write the session as it was recorded.
    """
    try:
        rows = ROWS[method](encoder, conversation)
    except Unrenderable as error:
        if config.data.unrenderable == "error" or (session.calls_tools and encoder.loses_calls):
            raise error.at(where, session.session_id) from None
        return LeftOut(error.problem, unrenderable=True)
    longest, limit = max((len(row.input_ids) for row in rows), default=0), context_length(config)
    return LeftOut(f"{longest} tokens, over data.max_context_length {limit}") if longest > limit else rows


def context_length(config: RunConfig) -> int:
    """The tokens that a row may have: `data.max_context_length`, but no more than the base has positions.

    Raises:
        UserError: it is null, and the base's config.json says no number.
    """
    limit, base = config.data.max_context_length, config.model.base_model
    positions = _positions(config.model.model_dump_json())
    if positions is None and limit is None:
        problem = f"config.json of {base} says no max_position_embeddings"
        raise UserError("data.max_context_length", problem, "set a number of tokens")
    if limit and positions and limit > positions:
        say_once(f"data.max_context_length is {limit}, but {base} has {positions} positions: longer rows are dropped")
    return min(filter(None, (limit, positions)))


@cache
def _positions(model_json: str) -> int | None:
    """How many tokens a base was made for, as its config.json says; None where it does not."""
    from transformers import AutoConfig

    model = ModelConfig.model_validate_json(model_json)
    positions = getattr(from_pretrained(AutoConfig, model).get_text_config(), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None


def load_encoder(model: ModelConfig) -> Encoder:
    """The encoder of a base model, with its tokenizer and all tokens that its generation config ends answers with.

    Raises:
        UserError: there is no such model, or it has no fast tokenizer or no chat template.
    """
    return Encoder(load_tokenizer(model), generation_ends(model))


def generation_ends(model: ModelConfig) -> list[int]:
    """`eos_token_id` of the base's generation config, as a list; empty where it has none."""
    from transformers import GenerationConfig

    try:
        ends = GenerationConfig.from_pretrained(model.base_model, revision=model.revision or "main").eos_token_id
    except (OSError, ValueError):
        return []
    return ends if isinstance(ends, list) else [] if ends is None else [ends]


def load_tokenizer(model: ModelConfig) -> Any:
    """The base model's tokenizer, with the configured chat template.

    Raises:
        UserError: there is no such model, here or on the hub.
    """
    from transformers import AutoTokenizer

    tokenizer = from_pretrained(AutoTokenizer, model)
    if model.template_file:
        tokenizer.chat_template = read_text(model.template_file)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def from_pretrained(auto_class: Any, model: ModelConfig, **options: Any) -> Any:
    """`auto_class.from_pretrained` of the configured base, its failures as one line."""
    name = model.base_model
    if names_folder(name) and not Path(name).is_dir():
        raise UserError(name, "base model folder not found", "check model.base_model, or run `make base`")
    require_hub(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return auto_class.from_pretrained(
                name, revision=model.revision or "main", trust_remote_code=model.trust_remote_code, **options
            )
        except Exception as error:  # a torn file may raise anything
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                raise
            raise not_loaded(name, error) from None


def not_loaded(name: str, error: Exception) -> UserError:
    """The one line for a base that transformers cannot load: a gated one, one that brings code, or anything else."""
    text = str(error).strip()
    if is_gated(error):
        return gated(name, f"https://huggingface.co/{name}")
    if "Unrecognized configuration class" in text:
        mend = "name a base that AutoModelForCausalLM of transformers loads"
        return UserError(name, "is no causal language model", mend)
    if "trust_remote_code" in text:
        mend = "read that code, then set model.trust_remote_code: true in the YAML file"
        return UserError(name, "runs code of its own, which is not trusted", mend)
    if isinstance(error, UnpicklingError):
        problem = "its weights are a pickle of more than tensors, which could run code"
        return UserError(name, problem, "take a base that is saved as safetensors")
    reason = (text.splitlines() or [type(error).__name__])[0]
    return UserError(name, f"base model cannot be loaded ({reason})", "check model.base_model")
