"""Sessions in Hugging Face datasets: `hf:owner/name[/config][:split]` on the hub, or a folder of `save_to_disk`.

Each row is a record such as files hold (`callproof.sessions.forms`). Tools and arguments must be JSON text, or of the
type `Json`: Arrow gives all structs of a column the same fields, filled with null, so an absent argument and a null one
would look the same. Columns of such structs are refused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.sessions import Found, is_dataset, sources


def read_records(source: str) -> Iterator[Found]:
    """The records of a source, from files or from a Hugging Face dataset; a row's place reads `source[number]`.

    Raises:
        UserError: as `callproof.sessions.sources.read_records`; no such dataset or split, or columns of structs.
    """
    if not is_dataset(source):
        yield from sources.read_records(source)
        return
    dataset = _open(source)
    sources.refuse_structs(dataset.features.arrow_schema, source)
    name = source.rstrip("/").rsplit("/", 1)[-1]
    for number, row in enumerate(dataset):
        yield Found(f"{source}[{number}]", f"{name}:{number}", row)
    if not len(dataset):
        raise UserError(source, "is empty, holds no sessions", "give another split")


def _open(source: str) -> Any:
    """Load the dataset that a source names; raises a UserError where there is none."""
    from datasets import DatasetDict, disable_progress_bars, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    disable_progress_bars()
    try:
        if source.startswith("hf:"):
            name, _, split = source.removeprefix("hf:").partition(":")
            owner, *rest = name.split("/", 2)
            config = rest[1] if len(rest) > 1 else None
            return load_dataset("/".join((owner, *rest[:1])), config, split=split or "train")
        dataset = load_from_disk(source)
    except (OSError, ValueError, DatasetsError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            source, f"cannot be loaded ({reason})", "write hf:owner/name/config:split, or a folder"
        ) from None
    if isinstance(dataset, DatasetDict):
        folders = ", ".join(str(Path(source) / str(split)) for split in dataset)
        raise UserError(source, "holds several splits", f"name one: {folders}")
    return dataset
