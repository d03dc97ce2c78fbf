"""Configurations and adapters become one checked plan, and the plan a running vLLM server."""

from .adapter_sources import ADAPTER_FILES, of_config, of_option
from .adapters import check_adapter
from .lifetime import run_server
from .plan import Device, Plan, lora_modules, make_plan, with_absolute_paths
from .process import Server, check_port
from .vllm_command import (
    API_KEY,
    KEPT_MEMORY,
    VLLM_VERSION,
    check_environment,
    environment,
    flags,
    installed_wheel,
    require_wheel,
    shell_line,
    start_command,
    vllm_yaml,
)

__all__ = [
    "ADAPTER_FILES",
    "API_KEY",
    "KEPT_MEMORY",
    "VLLM_VERSION",
    "Device",
    "Plan",
    "Server",
    "check_adapter",
    "check_environment",
    "check_port",
    "environment",
    "flags",
    "installed_wheel",
    "lora_modules",
    "make_plan",
    "of_config",
    "of_option",
    "require_wheel",
    "run_server",
    "shell_line",
    "start_command",
    "vllm_yaml",
    "with_absolute_paths",
]
