"""The manifest of an adapter: everything that is needed to trust it, to serve it and to train it again."""

import platform
import subprocess
from importlib import metadata
from typing import Any

from callproof.calls.formats import TemplateRefusal, format_of_template
from callproof.config import RunConfig, highest_rank, template_sha256
from callproof.errors import UserError
from callproof.records import read_object
from callproof.turns import call_format

from ..rows.data import Rows
from ..rows.prepared_rows import data_hashes

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "tokenizers")
SCHEMA_VERSION = 1


def make_manifest(
    config: RunConfig, chat_template: str, commit: str | None, data: dict[str, Rows], figures: dict[str, Any]
) -> dict[str, Any]:
    """What `<output_dir>/manifest.json` holds.

    Args:
        config: the resolved configuration.
        chat_template: text of the template that training used.
        commit: of the base model on the hub; None of one in a folder.
        data: rows of the `train` and `eval` sessions.
        figures: what training measured: losses (nats a token), perplexity, steps, seconds, evaluations; `format`, in
            which the model writes calls; and `tracker`, the run that it reported to, or None.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "method": config.train.method,
        **figures,
        "data": {split: rows.counts() for split, rows in data.items()},
        "dropped_sessions": {split: rows.dropped for split, rows in data.items()},
        "sha256": {
            **data_hashes(config),
            "chat_template": template_sha256(chat_template),
        },
        "serve": {
            "base_model": config.model.base_model,
            "revision": config.model.revision,
            "commit": commit,
            "rank": highest_rank(config.lora.peft_settings),
            "tool_call_parser": _parser(config, chat_template),
        },
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "git_commit": git_commit(),
        "config": config.model_dump(mode="json"),
    }


def _parser(config: RunConfig, chat_template: str) -> str:
    """The parser that reads what was trained; `auto`, as `serve` will explain, where none is known."""
    if config.serve.tool_call_parser != "auto" or config.prompt.catalog == "text":
        return call_format(config).name
    try:
        return format_of_template(chat_template)
    except TemplateRefusal:
        return "auto"


def read_manifest(config: RunConfig) -> dict[str, Any]:
    """The manifest of a trained adapter.

    Raises:
        UserError: there is none, or it is no manifest.
    """
    path = config.output_dir / "manifest.json"
    try:
        manifest = read_object(path, "train again")
        if manifest["schema_version"] == SCHEMA_VERSION and manifest["name"]:
            return manifest
        problem = f"schema_version is not {SCHEMA_VERSION}"
    except (ValueError, LookupError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    raise UserError(path, f"is no manifest ({problem})", "train again")


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
