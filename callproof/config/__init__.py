"""The YAML file of a run: its sections and limits, the source of each value, and the adapters that vLLM can serve."""

from .extra import OURS
from .origins import resolve, resolve_values
from .run_config import (
    NAME_PATTERN,
    EvalConfig,
    GateConfig,
    LossWeights,
    ModelConfig,
    PromptConfig,
    RunConfig,
    ServeConfig,
    Split,
    TrainConfig,
    load,
    load_gate,
)
from .servable import (
    MEND,
    allowed_rank,
    base_model_type,
    check_adapter_folder,
    check_trained_on,
    highest_rank,
    problems,
    same_model,
    template_sha256,
)

__all__ = [
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
    "allowed_rank",
    "base_model_type",
    "check_adapter_folder",
    "check_trained_on",
    "highest_rank",
    "load",
    "load_gate",
    "problems",
    "resolve",
    "resolve_values",
    "same_model",
    "template_sha256",
]
