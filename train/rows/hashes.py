"""SHA-256 of everything that a training starts from: sessions, system prompt, catalog, and an earlier adapter."""

import hashlib
import json
from pathlib import Path

from callproof.config import RunConfig, Split
from callproof.turns import split_sessions

from .hub_data import read_records
from .texts import split_texts

SPLITS: tuple[Split, ...] = ("train", "eval")


def source_hashes(config: RunConfig) -> dict[str, str]:
    """SHA-256 of the sessions of each split, and of those of the domain's files that exist, by name.

    Raises:
        UserError: sessions that are in no file of their own cannot be read.
    """
    return {**{split: split_sha256(config, split) for split in SPLITS}, **_files(config)}


def hashes_here(config: RunConfig) -> dict[str, str]:
    """The part of `source_hashes` that comes from single files; a file that is not on this machine is left out."""
    splits = {split: split_file(config, split) for split in SPLITS}
    return {**{split: sha256(path) for split, path in splits.items() if path}, **_files(config)}


def split_sha256(config: RunConfig, split: Split) -> str:
    """SHA-256 of a split: of its file where it is one, else of what is learnt of its sessions, a line of JSON each."""
    path = split_file(config, split)
    if path:
        return sha256(path)
    digest = hashlib.sha256()
    if config.data.text == "as_is":
        for _, name, text in split_texts(config, split):
            digest.update(f"{json.dumps([name, text], ensure_ascii=False)}\n".encode())
        return digest.hexdigest()
    for _, session in split_sessions(config, split, read_records):
        digest.update(f"{json.dumps(session.trained.record(), ensure_ascii=False)}\n".encode())
    return digest.hexdigest()


def split_file(config: RunConfig, split: Split) -> Path | None:
    """The one file that holds a split and nothing else, if there is such a file."""
    path = Path(config.data.source(split))
    return path if not config.data.load_module and not config.data.eval_share and path.is_file() else None


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(config: RunConfig) -> dict[str, str]:
    start = config.model.lora_path
    files = {
        "catalog": config.data.tools_path,
        "system_prompt": config.data.prompt_path,
        "preamble": config.prompt.preamble_file,
        "question": config.prompt.question,
        "lora_path": start / "adapter_model.safetensors" if start else None,
    }
    return {name: sha256(path) for name, path in files.items() if path and path.is_file()}
