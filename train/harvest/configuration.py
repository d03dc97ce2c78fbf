"""The configuration of the training that a harvest is for."""

from pathlib import Path
from typing import Any

import yaml

from callproof.config import Method, RunConfig
from callproof.errors import UserError

SLOWER = 10
"""By how much the learning rate of dpo and kto is lower than that of supervised training (Rafailov et al. 2023 take
1e-6 where 1e-5 is usual)."""

_NOT_OF_METHOD = ("loss_weights", "packing", "extra")
_OF_ITS_RUN = ("output_dir", "max_steps", "push_to_hub", "hub_model_id", "method", "beta")
_HEAD = """\
# The next training: {method} on what {runs} got wrong, see needs.json; made by callproof train harvest.
#   callproof train check --config {path}     nothing of it may be an eval session
#   callproof train --config {path}
"""


def check_splits(config: RunConfig, where: object) -> None:
    """Raise a UserError where sessions added to training could move into evaluation, or have no file."""
    if config.data.shares:
        problem = "takes eval sessions out of the training sessions, and would take some of the harvest"
        raise UserError(f"{where}: data.eval_share", problem, "name the eval sessions in data.eval")
    for key in ("load_module", "prepared"):
        if getattr(config.data, key):
            problem = "gives sessions that are in no file, which a harvest cannot be added to"
            raise UserError(f"{where}: data.{key}", problem, "name sessions in data.train and data.eval")


def next_configuration(
    config: RunConfig, method: Method, sessions: Path, start: Path | None, with_training: bool
) -> dict[str, Any]:
    """The values of the next configuration.

    Args:
        config: of the training before.
        sessions: the file of the harvest.
        start: the adapter that dpo and kto go on from; None: there is none here.
        with_training: whether the training sessions of before are learned again.
    """
    values = config.model_dump(mode="json", exclude_defaults=True)
    left_out = (*_OF_ITS_RUN, *(() if method == "sft" else _NOT_OF_METHOD))
    train = {key: value for key, value in values.get("train", {}).items() if key not in left_out}
    before = [_absolute(source) for source in config.data.sources("train")] if with_training else []
    values |= {"name": f"{config.name}-{method}", "train": {"method": method, **train}}
    values["data"] |= {"train": [str(sessions.resolve()), *before]}
    if method != "sft":
        values["train"]["learning_rate"] = config.train.learning_rate / SLOWER
    if start and method != "sft":
        values["model"] = {**values.get("model", {}), "lora_path": str(start.resolve())}
    return values


def as_yaml(values: dict[str, Any], path: Path, runs: str) -> str:
    head = _HEAD.format(method=values["train"]["method"], runs=runs, path=path)
    return head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source
