"""One YAML file describes the whole pipeline of one adapter; this is its schema.

Every key is documented where it is declared; an unknown key is refused. Paths are relative to the working directory.
`LLM_SECTION__KEY=value` in the environment overrides the file, for instance `LLM_TRAIN__LEARNING_RATE=1e-4`.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from callproof.errors import UserError
from callproof.records import Record, explain, read_text
from callproof.servable import REFUSED_KEYS

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Of what becomes a folder's name."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class DataConfig(Record):
    """Where sessions, system prompt and catalog lie."""

    domain: Path = Field(description="folder with system_prompt.md, tools.json and sessions/")
    train: str = Field(default="sessions/train.jsonl", description="training sessions, inside the domain folder")
    eval: str = Field(default="sessions/eval.jsonl", description="evaluation sessions, inside the domain folder")
    max_context_length: int = Field(
        default=4096, gt=0, description="tokens; longer training rows are dropped and counted"
    )

    @property
    def tools_path(self) -> Path:
        return self.domain / "tools.json"

    @property
    def prompt_path(self) -> Path:
        return self.domain / "system_prompt.md"

    @property
    def train_path(self) -> Path:
        return self.domain / self.train

    @property
    def eval_path(self) -> Path:
        return self.domain / self.eval


class PromptConfig(Record):
    """How the system turn is assembled; see callproof.prompt."""

    timezone: str = Field(default="Europe/Zurich", description="IANA name, for the date line")
    date_line: bool = Field(default=True, description="add the current date and time of the session")
    shuffle_sections: bool = Field(default=True, description="shuffle sections and bullets per session id")
    shuffle_tools: bool = Field(default=True, description="shuffle the catalog per session id")


class ModelConfig(Record):
    """The base model."""

    base_model: str = Field(default="models/tiny", description="folder, or hub id such as Qwen/Qwen3-4B-Instruct-2507")
    name: str | None = Field(default=None, description="name it is served under; default: last part of base_model")
    revision: str | None = Field(default=None, description="hub revision")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="weights while training")
    chat_template: Path | None = Field(default=None, description=".jinja file; default: the tokenizer's own")
    quantization: Literal["none", "nf4"] = Field(
        default="none", description="of the base while training; nf4 (QLoRA) needs CUDA and bitsandbytes"
    )
    lora_path: Path | None = Field(
        default=None, description="folder of an adapter to train on, with the settings of section lora"
    )

    @property
    def served_name(self) -> str:
        return self.name or self.base_model.rstrip("/").rsplit("/", 1)[-1]


class LoraConfig(Record):
    """The adapter; only what vLLM can serve."""

    r: int = Field(default=16, ge=1, le=512, description="rank")
    alpha: int = Field(default=32, gt=0, description="scale is alpha / r")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = Field(default="all-linear")
    use_rslora: bool = Field(default=False, description="scale is alpha / sqrt(r)")
    init: str = Field(default="default", description="default, gaussian or orthogonal")
    rank_pattern: dict[str, int] = Field(default_factory=dict, description="end of a module's name: its own rank")
    alpha_pattern: dict[str, int] = Field(default_factory=dict, description="end of a module's name: its own alpha")

    @property
    def peft_settings(self) -> dict[str, Any]:
        """Keyword arguments of peft.LoraConfig; JSON values, as in adapter_config.json."""
        targets = self.target_modules
        return {
            "r": self.r,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": targets if isinstance(targets, str) else list(targets),
            "use_rslora": self.use_rslora,
            "init_lora_weights": True if self.init == "default" else self.init,
            "rank_pattern": dict(self.rank_pattern),
            "alpha_pattern": dict(self.alpha_pattern),
            "bias": "none",
        }


class TrainConfig(Record):
    """The training loop; names are those of transformers.TrainingArguments."""

    output_dir: Path | None = Field(default=None, description="default: outputs/<name>")
    seed: int = Field(default=42)
    num_train_epochs: float = Field(default=1.0, gt=0)
    max_steps: int = Field(default=-1, description="overrides num_train_epochs when positive")
    per_device_train_batch_size: int = Field(default=8, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(default="linear")
    warmup_ratio: float = Field(default=0.05, ge=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = Field(default=False)
    bf16: Literal["auto"] | bool = Field(default="auto", description="bf16 autocast; auto: where the hardware has it")
    packing: bool = Field(default=False, description="pack rows up to max_context_length")
    logging_steps: int = Field(default=10, ge=1)
    report_to: Literal["none", "wandb", "tensorboard", "trackio"] = Field(default="none")
    save_steps: int | None = Field(
        default=None,
        ge=0,
        description="steps between checkpoints, 0: none; default: a third of the run, or what the best step needs",
    )
    save_total_limit: int = Field(default=2, ge=1, description="checkpoints kept; the best one is kept besides")
    eval_steps: int = Field(default=0, ge=0, description="steps between evaluations while training; 0: none")
    per_device_eval_batch_size: int = Field(default=8, ge=1)
    metric_for_best_model: Literal["eval_tool_f1", "eval_turn_exact", "eval_perplexity"] | None = Field(
        default=None, description="the evaluation with the best one becomes the adapter; default: the last step does"
    )
    early_stopping_patience: int | None = Field(
        default=None, ge=1, description="stop after as many evaluations without a better metric_for_best_model"
    )
    check_with_vllm: bool = Field(
        default=False, description="let vLLM's own code check the adapter besides; its import takes some seconds"
    )
    push_to_hub: bool = Field(default=False, description="upload the adapter with its model card in the end")
    hub_model_id: str | None = Field(default=None, description="repository on the hub, such as owner/name")
    hub_private_repo: bool = Field(default=True, description="whether a repository that is made is private")


class ServeConfig(Record):
    """The vLLM server; one base and one tool-call format a server."""

    host: str = Field(default="127.0.0.1")
    port: int = Field(default=8000, ge=1, le=65535)
    max_model_len: int = Field(default=4096, gt=0, description="tokens, prompt and answer together")
    tool_call_parser: str = Field(default="hermes")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="auto: float32 on a CPU")
    max_num_seqs: int = Field(default=32, ge=1, description="requests in one batch")
    max_num_batched_tokens: int = Field(default=1024, ge=1, description="tokens in one step; small on a CPU with LoRA")
    cpu_kvcache_gib: int = Field(default=2, ge=1, description="KV cache on a CPU, GiB")


class EvalConfig(Record):
    """How eval turns are made and asked."""

    turns: Literal["decisions", "all"] = Field(
        default="decisions",
        description="decisions: replies to the user and every calling turn; all: tool-result summaries too",
    )
    max_sessions: int | None = Field(default=None, ge=1, description="use the first N eval sessions only")
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    channel: Literal["raw", "served", "both"] = Field(
        default="raw", description="raw: the text is parsed here; served: the server's own tool_calls are taken"
    )
    repeats: int = Field(default=1, ge=1, description="answers to each turn, with seeds 0, 1, ...; for pass^k")
    concurrency: int = Field(default=32, ge=1, description="requests in flight at each endpoint")
    timeout_s: float = Field(default=120, gt=0, description="a request, seconds")
    run_timeout_s: float | None = Field(default=None, gt=0, description="a whole run, seconds; --resume goes on")
    retries: int = Field(default=4, ge=0, description="on transport errors, 429 and 5xx")
    api_key_env: str | None = Field(
        default=None, description="environment variable with the API key; default: CALLPROOF_, VLLM_ or OPENAI_API_KEY"
    )


class GateConfig(Record):
    """When a candidate may replace the baseline; margins and floors are fractions, see docs/gate.md."""

    margins: dict[str, Fraction] = Field(
        default_factory=lambda: {"turn_exact": 0.02, "name_f1": 0.02, "hallucination_rate": 0.02}
    )
    floors: dict[str, Fraction] = Field(default_factory=lambda: {"parse_rate": 0.98, "schema_valid": 0.95})
    slice_floors: dict[str, dict[str, Fraction]] = Field(
        default_factory=dict, description="slice or pattern, such as tool=*: floors by metric"
    )
    max_infra_error_rate: float = Field(default=0.005, ge=0, le=1)
    min_sessions: int = Field(default=30, ge=2, description="fewer sessions: no PASS on statistics alone")


class RunConfig(BaseSettings):
    """One adapter, from sessions to gate."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="LLM_", env_nested_delimiter="__")

    name: str = Field(pattern=NAME_PATTERN, description="of the adapter, and served so")
    data: DataConfig
    prompt: PromptConfig = PromptConfig()
    model: ModelConfig = ModelConfig()
    lora: LoraConfig = LoraConfig()
    train: TrainConfig = TrainConfig()
    serve: ServeConfig = ServeConfig()
    eval: EvalConfig = EvalConfig()
    gate: GateConfig = GateConfig()

    @classmethod
    def settings_customise_sources(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, settings_cls: type[BaseSettings], init_settings: Any, **_: Any
    ) -> Any:
        return EnvSettingsSource(settings_cls), init_settings

    @property
    def output_dir(self) -> Path:
        return self.train.output_dir or Path("outputs") / self.name

    @property
    def adapter_dir(self) -> Path:
        return self.output_dir / "adapter"


def load(path: Path | str) -> RunConfig:
    """The validated configuration of a file, with `LLM_*` overrides applied.

    Raises:
        UserError: missing file, malformed YAML, unknown key (with the nearest valid one), wrong type.
    """
    path = Path(path)
    try:
        value = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        raise UserError(where, f"malformed YAML ({getattr(error, 'problem', error)})", "mend the syntax") from None
    if not isinstance(value, dict):
        raise UserError(path, f"expected a mapping, got {type(value).__name__}", "see configs/car_sales.yaml")
    try:
        return RunConfig(**value)
    except ValidationError as error:
        raise UserError(path, *_explain_key(error)) from None


def _explain_key(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{explain(error)}, got {str(first.get('input'))[:80]!r}", "correct the value"
    if first["loc"][0] == "lora" and first["loc"][-1] in REFUSED_KEYS:
        return f"no key {path!r}: vLLM refuses an adapter that has it", "leave it out"
    valid = _keys_beside(first["loc"])
    near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1)
    return f"unknown key {path!r}", f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = RunConfig
    for part in loc[:-1]:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
