"""Sessions -> token rows -> an adapter that vLLM can serve. Importing it is light; torch comes when training begins."""

from pathlib import Path
from typing import Any

from callproof.config import RunConfig, load


def train_model(config: RunConfig | Path | str, resume: bool = False) -> dict[str, Any]:
    """Train the adapter of a configuration, or of its file, and return its manifest (see `train.adapter.manifest`).

    Raises:
        UserError: wrong data, base model or configuration.
    """
    from .loop.run import run

    return run(config if isinstance(config, RunConfig) else load(config), resume)
