"""The YAML file of a run: its sections and limits, the source of each value, and the adapters that vLLM can serve."""

from .data_config import Split
from .extra import OURS
from .origins import nearest_key, no_key, resolve, resolve_values
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
from .yaml_text import BadYaml, config_text, one_line, read_yaml

__all__ = [
    "FOLDER_PATTERN",
    "MEND",
    "NAME_PATTERN",
    "OURS",
    "BadYaml",
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
    "config_text",
    "highest_rank",
    "linear_modules",
    "load",
    "load_gate",
    "nearest_key",
    "no_key",
    "one_line",
    "problems",
    "read_yaml",
    "resolve",
    "resolve_values",
    "same_model",
    "template_sha256",
]
