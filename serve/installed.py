"""`callproof --version`: what is installed of what training and serving stand on, read from metadata alone."""

import platform
from importlib import metadata

from .start import installed_wheel

LIBRARIES = ("torch", "transformers", "trl", "peft")
BUILDS = {"cpu": "CPU build", "gpu": "CUDA build"}


def described() -> str:
    """One line for callproof, and one for each of its libraries and vLLM."""
    rows = [("callproof", f"{_version('callproof')} on Python {platform.python_version()}")]
    rows += [(name, _version(name) or "not installed; extra `train` brings it") for name in LIBRARIES]
    wheel = installed_wheel()
    vllm = f"{wheel.version}, {BUILDS[wheel.device]} ({wheel.distribution})" if wheel else "not installed"
    rows.append(("vllm", vllm if wheel else f"{vllm}; extra `serve` (CUDA) or `serve-cpu` brings it"))
    return "\n".join(f"{name:<13} {text}" for name, text in rows)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
