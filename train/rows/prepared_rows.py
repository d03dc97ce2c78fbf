"""prepared.json: what a folder of prepared rows was made from, so that no training takes rows of something else."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from callproof.config import PromptConfig, RunConfig
from callproof.errors import UserError
from callproof.records import Record, explain, read_text

from .data import context_length
from .hashes import hashes_here, source_hashes

SCHEMA_VERSION = 1
FILE = "prepared.json"
OF_BASE = ("tokenizer", "chat_template")
AGAIN = "prepare again: callproof train prepare"


class PreparedSplit(Record):
    """`counts` as in the manifest; `dropped`: ids of sessions over the context length."""

    sessions: int
    dropped: tuple[str, ...]
    counts: dict[str, int]


class Prepared(Record):
    """`sha256` of the sources, `tokenizer` and `chat_template` of the base."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    base_model: str
    sha256: dict[str, str]
    prompt: PromptConfig
    max_context_length: int
    thinking: Literal["keep", "drop"] = "keep"
    supervise: Literal["all", "last", "response"] = "all"
    text: Literal["chatml", "as_is"] = "chatml"
    splits: dict[Literal["train", "eval"], PreparedSplit]
    perplexity: PreparedSplit
    """The first eval sessions, on whose rows training measures perplexity."""


def read_prepared(folder: Path) -> Prepared:
    """The record of a prepared folder.

    Raises:
        UserError: the folder holds no such record.
    """
    path = folder / FILE
    try:
        return Prepared.model_validate_json(read_text(path))
    except ValidationError as error:
        raise UserError(path, f"is no record of prepared rows ({explain(error)})", AGAIN) from None


def base_hashes(tokenizer: Any) -> dict[str, str]:
    """SHA-256 of what turns text into rows: the tokenizer's own serialisation, and its chat template."""
    texts = (tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template)
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in zip(OF_BASE, texts, strict=True)}


def data_hashes(config: RunConfig) -> dict[str, str]:
    """SHA-256 of the sources (see `train.rows.hashes`): as they are now, or as they were when rows were prepared."""
    if not config.data.prepared:
        return source_hashes(config)
    recorded = read_prepared(config.data.prepared).sha256
    return {name: value for name, value in recorded.items() if name not in OF_BASE}


def check_prepared(folder: Path, config: RunConfig, tokenizer: Any) -> Prepared:
    """Refuse rows that this configuration would not make; a source that is not on this machine is not checked.

    Raises:
        UserError: another tokenizer, template, prompt or context length, or sources that have changed.
    """
    record = read_prepared(folder)
    now = {**base_hashes(tokenizer), **hashes_here(config)}
    for name, value in now.items():
        if record.sha256.get(name) != value:
            owner = f"that of {config.model.base_model if name in OF_BASE else config.data.title}"
            problem = f"rows were prepared with another {name.replace('_', ' ')} than {owner}"
            raise UserError(folder, problem, AGAIN)
    if record.prompt != config.prompt:
        raise UserError(folder, "rows were prepared with other `prompt` settings", AGAIN)
    for key in ("thinking", "supervise", "text"):
        then, now_is = getattr(record, key), getattr(config.data, key)
        if then != now_is:
            raise UserError(folder, f"rows were prepared with data.{key} {then}, not {now_is}", AGAIN)
    if record.max_context_length != context_length(config):
        lengths = f"{record.max_context_length}, not {context_length(config)}"
        raise UserError(folder, f"rows were prepared with data.max_context_length {lengths}", AGAIN)
    return record
