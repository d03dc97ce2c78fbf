"""Training data: the sessions of a configuration as token rows."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callproof.config import ModelConfig, RunConfig, Split
from callproof.console import counted
from callproof.errors import UserError
from callproof.records import read_text
from callproof.turns import Domain, check_gold, split_sessions

from .encode import Encoder, Row
from .hub_data import read_records


@dataclass(frozen=True)
class Rows:
    """Rows of one sessions file, and what was left out of them.

    `dropped` holds the ids of sessions with a row over the context length.
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


def encode_sessions(split: Split, config: RunConfig, encoder: Encoder, limit: int | None = None) -> Rows:
    """All (or the first `limit`) sessions of a split as rows; sessions over the context length are dropped whole.

    Raises:
        UserError: bad file or line, gold calls that the catalog rejects, or nothing left to train on.
    """
    domain = Domain(config)
    rows: list[Row] = []
    dropped: list[str] = []
    count = 0
    sessions = split_sessions(config, split, read_records)
    for where, session in counted(sessions, f"encoding {config.data.source(split)}", "sessions"):
        check_gold(session, domain.catalog(session, where), where)
        session_rows = encoder.rows(domain.conversation(session, where))
        count += 1
        if any(len(row.input_ids) > config.data.max_context_length for row in session_rows):
            dropped.append(session.session_id)
        else:
            rows += session_rows
        if count == limit:
            break
    if not any(row.supervised for row in rows):
        longest = config.data.max_context_length
        problem = f"no assistant turn left of {count} sessions ({len(dropped)} over {longest} tokens)"
        mend = "give sessions, or raise data.max_context_length"
        raise UserError(config.data.source(split), problem, mend)
    return Rows(rows, count, dropped)


def load_tokenizer(model: ModelConfig) -> Any:
    """The base model's tokenizer, with the configured chat template.

    Raises:
        UserError: there is no such model, here or on the hub.
    """
    from transformers import AutoTokenizer

    tokenizer = from_pretrained(AutoTokenizer, model)
    if model.chat_template:
        tokenizer.chat_template = read_text(model.chat_template)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def from_pretrained(auto_class: Any, model: ModelConfig, **options: Any) -> Any:
    """`auto_class.from_pretrained` of the configured base, its failures as one line."""
    name = model.base_model
    if name.startswith((".", "/", "models/")) and not Path(name).is_dir():
        raise UserError(name, "base model folder not found", "check model.base_model, or run `make base`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return auto_class.from_pretrained(name, revision=model.revision or "main", **options)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(name, f"base model cannot be loaded ({reason})", "check model.base_model") from None
