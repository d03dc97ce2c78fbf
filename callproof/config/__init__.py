"""The YAML file of a run: its sections and limits, the source of each value, and the adapters that vLLM can serve."""

from .data_config import Split
from .extra import OURS
from .origins import resolve, resolve_values
from .prompt_config import PromptConfig
from .run_config import (
    FOLDER_PATTERN,
    NAME_PATTERN,
    EvalConfig,
    GateConfig,
    LossWeights,
    ModelConfig,
    RunConfig,
    ServeConfig,
    TrainConfig,
    load,
    load_gate,
)
from .servable import (
    MEND,
    adapter_modules,
    allowed_rank,
    base_file,
    base_model_type,
    base_modules,
    check_adapter_folder,
    check_trained_on,
    highest_rank,
    linear_modules,
    problems,
    same_model,
    template_sha256,
)

__all__ = [
    "FOLDER_PATTERN",
    "MEND",
    "NAME_PATTERN",
    "OURS",
    "EvalConfig",
    "GateConfig",
    "LossWeights",
    "ModelConfig",
    "PromptConfig",
    "RunConfig",
    "ServeConfig",
    "Split",
    "TrainConfig",
    "adapter_modules",
    "allowed_rank",
    "base_file",
    "base_model_type",
    "base_modules",
    "check_adapter_folder",
    "check_trained_on",
    "highest_rank",
    "linear_modules",
    "load",
    "load_gate",
    "problems",
    "resolve",
    "resolve_values",
    "same_model",
    "template_sha256",
]
