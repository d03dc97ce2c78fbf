"""Sessions in Hugging Face datasets: `hf:owner/name[:split]` on the hub, or a folder that `save_to_disk` has written.

Each row is a record such as files hold (`callproof.sessions.forms`); columns that no form knows are left out and
listed. Tools and arguments must be JSON text, or of the type `Json`: Arrow gives all structs of a column the same
fields, filled with null, so an absent argument and a null one would look the same. Columns of such structs are refused.
"""

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.sessions import KEYS, LOG_KEYS, Found, is_dataset, sources

_FREE = ("arguments", "parameters", "input_schema")
"""Fields whose keys differ from row to row."""


def read_records(source: str, keys: Collection[str] = (*KEYS, *LOG_KEYS)) -> Iterator[Found]:
    """The records of a source, from files or from a Hugging Face dataset; a row's place reads `source[number]`.

    `keys`: the columns that are read; others are left out and listed.

    Raises:
        UserError: as `callproof.sessions.sources.read_records`; no such dataset or split, or columns of structs.
    """
    if not is_dataset(source):
        yield from sources.read_records(source)
        return
    dataset = _open(source)
    _refuse_unified(dataset.features, source)
    known = [column for column in dataset.column_names if column in keys]
    if left_out := [column for column in dataset.column_names if column not in known]:
        print(f"{source}: columns left out: {', '.join(left_out)}", file=sys.stderr)
    for number, row in enumerate(dataset.select_columns(known)):
        yield sources.dataset_record(source, number, row)
    if not len(dataset):
        raise UserError(source, "is empty, holds no sessions", "give another split")


def _open(source: str) -> Any:
    """Load the dataset that a source names; raises a UserError where there is none."""
    from datasets import DatasetDict, disable_progress_bars, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    disable_progress_bars()
    name, _, split = source.removeprefix("hf:").partition(":")
    try:
        if source.startswith("hf:"):
            return load_dataset(name, split=split or "train")
        dataset = load_from_disk(source)
    except (OSError, ValueError, DatasetsError) as error:
        if is_gated(error):
            raise gated(source, f"https://huggingface.co/datasets/{name}") from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(source, f"cannot be loaded ({reason})", "write hf:owner/name:split, or a folder") from None
    if isinstance(dataset, DatasetDict):
        folders = ", ".join(str(Path(source) / str(split)) for split in dataset)
        raise UserError(source, "holds several splits", f"name one: {folders}")
    return dataset


def is_gated(error: BaseException) -> bool:
    """Whether the hub refused to give something out before its terms are accepted."""
    text = str(error).lower()
    kinds = (type(cause).__name__ for cause in (error, error.__cause__) if cause is not None)
    return "GatedRepoError" in kinds or any(words in text for words in ("gated repo", "gated dataset"))


def gated(name: str, page: str) -> UserError:
    """The line that says how to be let in."""
    mend = f"accept its terms on {page}, then run: hf auth login, or set HF_TOKEN"
    return UserError(name, "is gated, and this token, or none, may not read it", mend)


def _refuse_unified(feature: Any, source: str, path: str = "") -> None:
    """Refuse structs where the keys differ from row to row."""
    if isinstance(feature, dict):
        for key, inner in feature.items():
            place = f"{path}.{key}".lstrip(".")
            if key in _FREE and isinstance(inner, dict):
                problem = f"column {place} holds structs, in which Arrow makes absent and null the same"
                raise UserError(source, problem, "store it as JSON text, or with the feature type Json")
            _refuse_unified(inner, source, place)
    elif hasattr(feature, "feature"):
        _refuse_unified(feature.feature, source, path)
