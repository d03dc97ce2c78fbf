"""The manifest of an adapter: everything that is needed to trust it, to serve it and to train it again."""

import hashlib
import json
import platform
import subprocess
from importlib import metadata
from typing import Any

from callproof.config import RunConfig, Split
from callproof.domain import split_sessions
from callproof.records import write_json
from train.data import Rows
from train.prepared import data_hashes

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "tokenizers")
SCHEMA_VERSION = 1


def write_manifest(
    config: RunConfig, chat_template: str, data: dict[str, Rows], figures: dict[str, Any]
) -> dict[str, Any]:
    """Write `<output_dir>/manifest.json` and return it.

    Args:
        config: the resolved configuration.
        chat_template: text of the template that training used.
        data: rows of the `train` and `eval` sessions.
        figures: what training measured: losses (nats a token), perplexity, steps, seconds.
    """
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        **figures,
        "data": {split: rows.counts() for split, rows in data.items()},
        "dropped_sessions": {split: rows.dropped for split, rows in data.items()},
        "sha256": {
            **data_hashes(config),
            "chat_template": hashlib.sha256(chat_template.encode()).hexdigest(),
        },
        "serve": {
            "base_model": config.model.base_model,
            "revision": config.model.revision,
            "rank": config.lora.r,
            "tool_call_parser": config.serve.tool_call_parser,
        },
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "git_commit": git_commit(),
        "config": config.model_dump(mode="json"),
    }
    write_json(config.output_dir / "manifest.json", manifest)
    return manifest


def git_commit() -> str | None:
    """The commit of the working directory, `-dirty` added where it has changes; None outside git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
