"""Which adapters vLLM loads as they were trained: rules on their settings, and their tensors laid over the base."""

from .base_file import base_file, names_folder
from .base_modules import base_modules
from .folder import CheckedAdapter, adapter_modules, check_adapter_folder, linear_modules
from .settings import (
    MEND,
    REFUSED_KEYS,
    allowed_rank,
    base_model_type,
    check_trained_on,
    highest_rank,
    problems,
    same_model,
    template_sha256,
    without_unused,
)

__all__ = [
    "MEND",
    "REFUSED_KEYS",
    "CheckedAdapter",
    "adapter_modules",
    "allowed_rank",
    "base_file",
    "base_model_type",
    "base_modules",
    "check_adapter_folder",
    "check_trained_on",
    "highest_rank",
    "linear_modules",
    "names_folder",
    "problems",
    "same_model",
    "template_sha256",
    "without_unused",
]
