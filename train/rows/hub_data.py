"""Sessions in Hugging Face datasets: `hf:owner/name[/config][:split]` on the hub, or a folder of `save_to_disk`.

Each row is a record such as files hold (`callproof.sessions.forms`). Tools and arguments should be JSON text, or of the
type `Json`: in columns of structs an absent argument and a null one look the same, see `sources.Unfilled`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.config import ModelConfig, base_file, names_folder
from callproof.errors import UserError
from callproof.sessions import Found, Raw, is_dataset, opened, sources

_BASE_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json")


def read_records(source: str) -> Iterator[Found]:
    """The records of a source, from files or from a Hugging Face dataset; a row's place reads `source[number]`.

    Raises:
        UserError: as `callproof.sessions.sources.read_records`; no such dataset or split.
    """
    return opened(read_raw(source))


def read_raw(source: str) -> Iterator[Found | Raw]:
    """As `read_records`, but what can be read elsewhere is raw, see `callproof.sessions.sources.read_raw`."""
    if not is_dataset(source):
        yield from sources.read_raw(source)
        return
    dataset = _open(source)
    unfilled = sources.Unfilled(dataset.features.arrow_schema, source)
    for number, row in enumerate(dataset):
        yield sources.dataset_record(source, number, unfilled.row(row))
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
            owner, *rest = name.split("/", 2)
            config = rest[1] if len(rest) > 1 else None
            name = "/".join((owner, *rest[:1]))
            return load_dataset(name, config, split=split or "train")
        dataset = load_from_disk(source)
    except (OSError, ValueError, DatasetsError) as error:
        if is_gated(error):
            raise gated(source, f"https://huggingface.co/datasets/{name}") from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            source, f"cannot be loaded ({reason})", "write hf:owner/name/config:split, or a folder"
        ) from None
    if isinstance(dataset, DatasetDict):
        folders = ", ".join(str(Path(source) / str(split)) for split in dataset)
        raise UserError(source, "holds several splits", f"name one: {folders}")
    return dataset


def require_hub(model: ModelConfig) -> None:
    """Ask the hub once for a base that is not on this machine, where its own library tries for a minute.

    Raises:
        UserError: it may not be asked, or nobody answers. What it says against the base is for who loads it.
    """
    name, revision = model.base_model, model.revision
    if names_folder(name) or any(base_file(name, file, revision) for file in _BASE_FILES):
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        problem = "is not on this machine, and HF_HUB_OFFLINE keeps the hub from being asked"
        raise UserError(name, problem, "check model.base_model, or unset HF_HUB_OFFLINE")
    try:
        get_hf_file_metadata(hf_hub_url(name, _BASE_FILES[0], revision=revision))
    except Exception as error:  # of the HTTP library that the hub's own is built on, which changes
        if type(error).__name__ != "ConnectError":
            return
        problem = f"is not on this machine, and nobody answers at {ENDPOINT} ({error})"
        raise UserError(name, problem, "check model.base_model, the network and HF_ENDPOINT") from None


def is_gated(error: BaseException) -> bool:
    """Whether the hub refused to give something out before its terms are accepted."""
    text = str(error).lower()
    kinds = (type(cause).__name__ for cause in (error, error.__cause__) if cause is not None)
    return "GatedRepoError" in kinds or any(words in text for words in ("gated repo", "gated dataset"))


def gated(name: str, page: str) -> UserError:
    """The line that says how to be let in."""
    mend = f"accept its terms on {page}, then run: hf auth login, or set HF_TOKEN"
    return UserError(name, "is gated, and this token, or none, may not read it", mend)
