"""The files of a base model on this machine: in its folder, or in the hub's cache."""

from pathlib import Path


def names_folder(base_model: str) -> bool:
    """Whether a base is a folder, there or not, and no hub id."""
    return base_model.startswith((".", "/", "models/")) or Path(base_model).is_dir()


def base_file(base_model: str, name: str, revision: str | None = None) -> Path | None:
    """A file of a base model, looked up without the network; None if it is not on this machine.

    Args:
        base_model: folder or hub id.
        name: of the file, inside the base.
        revision: of a hub id.
    """
    folder = Path(base_model)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    try:
        cached = try_to_load_from_cache(base_model, name, revision=revision)
    except ValueError:  # a folder that is not there yet is no valid id
        return None
    return Path(cached) if isinstance(cached, str) else None
