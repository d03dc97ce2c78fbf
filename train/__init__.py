"""Sessions -> token rows -> an adapter that vLLM can serve. Importing it is light; torch comes when training begins."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callproof.config import RunConfig


def train_model(
    config: "RunConfig | Mapping[str, Any] | Path | str", resume: bool = False, **overrides: Any
) -> dict[str, Any]:
    """Train the adapter of a configuration and return its manifest (see `train.adapter.manifest`).

    Args:
        config: a file, with what `.env` and the environment set on top; or nested values, or a RunConfig, as they are.
        resume: go on from the newest checkpoint of an interrupted run.
        overrides: keys on top: `lora={"r": 8}` or `train__learning_rate=1e-4`.

    Raises:
        UserError: wrong data, base model or configuration.
    """
    from callproof.config import RunConfig, load, resolve_values

    from .loop.run import run

    values = config if isinstance(config, Mapping) else None
    if values is None:
        whole = config if isinstance(config, RunConfig) else load(str(config))
        values = whole.model_dump(mode="json")
        if not overrides:
            return run(whole, resume)
    return run(resolve_values(RunConfig, values, overrides).config, resume)
