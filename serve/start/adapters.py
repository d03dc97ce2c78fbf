"""Checks before a server is started that vLLM can serve an adapter."""

from pathlib import Path

from callproof.config import RunConfig, check_adapter_folder, highest_rank
from callproof.errors import UserError
from callproof.records import Record


class Adapter(Record):
    """An adapter that vLLM accepts. `rank` is the largest rank of its layers, `notes` are lines for the user."""

    name: str
    path: Path
    rank: int
    notes: tuple[str, ...] = ()


def check_adapter(
    config_path: Path, config: RunConfig, folder: Path | None = None, trained_on: str | None = None
) -> Adapter:
    """Check the adapter of a configuration, in `folder` or else in the configuration's own output folder.

    With `trained_on`, the base that it names, it may name another base than the configuration; its matrices decide.

    Raises:
        UserError: the adapter is missing or broken, belongs to another base, or is of a kind that vLLM refuses.
    """
    folder, model = folder or config.adapter_dir, config.model
    if not folder.is_dir():
        raise UserError(folder, "there is no adapter", f"train it: callproof train --config {config_path}")
    said_by = None if trained_on else config_path
    settings, notes, compared = check_adapter_folder(folder, model.base_model, model.revision, said_by)
    if trained_on and not compared:
        problem = "nothing of it on this machine can be compared with the adapter"
        raise UserError(f"--base {model.base_model}", problem, "download it, or name a folder")
    return Adapter(name=config.name, path=folder, rank=highest_rank(settings), notes=notes)
