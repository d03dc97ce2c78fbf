"""Token rows on disk as a Hugging Face dataset, and back: prepared once, trained on often or elsewhere.

DIR/train, DIR/eval     integer columns `input_ids`, `labels` (-100 where the loss does not look) and
                        `attention_mask`, and a string column `full_text`, which was tokenised
DIR/prepared.json       what they were made from, see train.rows.prepared_rows
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import replacing_folder, write_json

from .data import Rows, context_length, encode_sessions
from .encode import Encoder, Row
from .hashes import SPLITS
from .prepared_rows import AGAIN, FILE, Prepared, PreparedSplit, base_hashes, check_prepared, data_hashes

PERPLEXITY_SESSIONS = 40


def training_rows(config: RunConfig, encoder: Encoder) -> tuple[Rows, Rows]:
    """What a run trains on, and what it measures perplexity on: encoded now, or read from `data.prepared`.

    Raises:
        UserError: see `encode_sessions`, `read_rows`.
    """
    if config.data.prepared:
        return read_rows(config.data.prepared, config, encoder.tokenizer)
    measured = encode_sessions("eval", config, encoder, limit=PERPLEXITY_SESSIONS)
    return encode_sessions("train", config, encoder), measured


def prepare(config: RunConfig, encoder: Encoder, out: Path) -> Prepared:
    """Encode the sessions of both splits into the folder `out`, which must be new or empty.

    Raises:
        UserError: see `encode_sessions`; `out` holds something, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(out, "exists and is not empty", "give another --out, or remove it")
    if config.train.method != "sft":
        problem = f"{config.train.method} learns from rejected answers, which prepared rows do not hold"
        raise UserError("train.method", problem, "train without data.prepared")
    splits = {split: encode_sessions(split, config, encoder) for split in SPLITS}
    if any(row.loss_scales for rows in splits.values() for row in rows.rows):
        problem = "its sessions bring a loss_scale, which prepared rows do not hold"
        raise UserError(config.data.source("train"), problem, "train without data.prepared")
    measured = encode_sessions("eval", config, encoder, limit=PERPLEXITY_SESSIONS)
    record = Prepared(
        name=config.name,
        base_model=config.model.base_model,
        sha256={**data_hashes(config), **base_hashes(encoder.tokenizer)},
        prompt=config.prompt,
        max_context_length=context_length(config),
        thinking=config.data.thinking,
        supervise=config.data.supervise,
        text=config.data.text,
        splits={split: _split(rows) for split, rows in splits.items()},  # pyright: ignore[reportArgumentType]
        perplexity=_split(measured),
    )
    with replacing_folder(out) as folder:
        _save(splits, folder)
        write_json(folder / FILE, record.model_dump(mode="json"))
    return record


def read_rows(folder: Path, config: RunConfig, tokenizer: Any) -> tuple[Rows, Rows]:
    """The rows of a prepared folder: all of the training split, and those of the first eval sessions.

    Raises:
        UserError: it is no such folder, or the configuration would have given other rows (see `check_prepared`).
    """
    record = check_prepared(folder, config, tokenizer)
    train_split, measured = record.splits["train"], record.perplexity
    rows = _load(folder / "train", train_split.counts["rows"])
    first = _load(folder / "eval", record.splits["eval"].counts["rows"])[: measured.counts["rows"]]
    return _rows(rows, train_split), _rows(first, measured)


def _split(rows: Rows) -> PreparedSplit:
    return PreparedSplit(sessions=rows.sessions, dropped=tuple(rows.dropped), counts=rows.counts())


def _rows(rows: list[Row], split: PreparedSplit) -> Rows:
    return Rows(rows, split.sessions, list(split.dropped))


def _save(splits: dict[str, Rows], folder: Path) -> None:
    from datasets import Dataset, DatasetDict, Features, List, Value

    features = Features(
        {
            "input_ids": List(Value("int32")),
            "labels": List(Value("int32")),
            "attention_mask": List(Value("int8")),
            "full_text": Value("string"),
        }
    )
    tables = {
        split: {
            "input_ids": [row.input_ids for row in rows.rows],
            "labels": [row.labels for row in rows.rows],
            "attention_mask": [[1] * len(row.input_ids) for row in rows.rows],
            "full_text": [row.text for row in rows.rows],
        }
        for split, rows in splits.items()
    }
    with contextlib.redirect_stdout(sys.stderr):
        DatasetDict(
            {split: Dataset.from_dict(table, features=features) for split, table in tables.items()}
        ).save_to_disk(str(folder))


def _load(folder: Path, count: int) -> list[Row]:
    from datasets import Dataset

    try:
        dataset = Dataset.load_from_disk(str(folder))
        rows = [Row(row["input_ids"], row["labels"], row["full_text"]) for row in dataset]  # pyright: ignore
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(folder, f"cannot be read ({reason})", AGAIN) from None
    if len(rows) != count or any(len(row.input_ids) != len(row.labels) for row in rows):
        raise UserError(folder, f"expected {count} whole rows, got {len(rows)}", AGAIN)
    return rows
