"""One YAML file describes the whole pipeline of one adapter; this is its schema.

Every key is documented where it is declared; an unknown key is refused. Paths are relative to the working directory.
`.env`, the environment and the command line override the file, see callproof.config.origins.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from callproof.records import Name, Record

from .data_config import DataConfig
from .extra import Attention, Schedule, check_extra
from .origins import resolve, sections_of
from .prompt_config import PromptConfig
from .servable import REFUSED_KEYS, without_unused

_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
NAME_PATTERN = rf"^{_PART}(/{_PART})?$"
"""Of adapters: a name, or `owner/name` as the hub has it."""
FOLDER_PATTERN = rf"^{_PART}$"
"""Names that are used as folder names must match it."""

BUNDLED_TEMPLATE = Path(__file__).with_name("assets") / "hermes.jinja"
"""Calls as JSON in `<tool_call>`, for tokenizers whose own template loses them."""

Fraction = Annotated[float, Field(ge=0, le=1)]
Method = Literal["sft", "dpo", "kto"]


class ModelConfig(Record):
    """The base model."""

    YAML_ONLY: ClassVar[tuple[str, ...]] = ("trust_remote_code",)

    base_model: Name = Field(default="models/tiny", description="folder, or hub id such as Qwen/Qwen3-4B-Instruct-2507")
    name: Name | None = Field(default=None, description="name it is served under; default: last part of base_model")
    revision: Name | None = Field(default=None, description="hub revision")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="weights while training; float16 needs CUDA"
    )
    attn_implementation: Attention | None = Field(default=None, description="while training; default: the model's own")
    trust_remote_code: bool = Field(
        default=False, description="run the code in the base's folder or repository; read from the YAML file alone"
    )
    chat_template: Literal["hermes"] | Path | None = Field(
        default=None, description=".jinja file, or hermes, which is bundled; default: the tokenizer's own"
    )
    quantization: Literal["none", "nf4"] = Field(
        default="none", description="of the base while training; nf4 (QLoRA) needs CUDA and bitsandbytes"
    )
    lora_path: Path | None = Field(
        default=None, description="folder of an adapter to train on, with the settings of section lora"
    )

    @property
    def template_file(self) -> Path | None:
        """The chat template that replaces the tokenizer's own, if there is one."""
        return BUNDLED_TEMPLATE if self.chat_template == "hermes" else self.chat_template

    @property
    def served_name(self) -> str:
        return self.name or self.base_model.rstrip("/").rsplit("/", 1)[-1]


class LoraConfig(Record):
    """The adapter; only what vLLM can serve."""

    NO_KEYS: ClassVar[dict[str, str]] = dict.fromkeys(REFUSED_KEYS, "vLLM refuses an adapter that has it")

    r: int = Field(default=16, ge=1, le=512, description="rank")
    alpha: int = Field(default=32, gt=0, description="scale is alpha / r")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = Field(default="all-linear")
    use_rslora: bool = Field(default=False, description="scale is alpha / sqrt(r)")
    init: str = Field(default="default", description="default, gaussian or orthogonal")
    rank_pattern: dict[str, int] = Field(default_factory=dict, description="end of a module's name: its own rank")
    alpha_pattern: dict[str, int] = Field(default_factory=dict, description="end of a module's name: its own alpha")

    @model_validator(mode="before")
    @classmethod
    def _unused_is_fine(cls, values: Any) -> Any:
        return without_unused(values) if isinstance(values, dict) else values

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


class LossWeights(Record):
    """How much a supervised token weighs in the loss, by what it decides."""

    decision: float = Field(default=1.0, gt=0, description="the first token of a turn, and the one after a call")
    name: float = Field(default=1.0, ge=0, description="of a call up to the end of the tool's name")
    arguments: float = Field(default=1.0, ge=0, description="the rest of a call")
    text: float = Field(default=1.0, ge=0, description="what the assistant says")


class TrainConfig(Record):
    """The training loop; names are those of transformers.TrainingArguments."""

    output_dir: Path | None = Field(default=None, description="default: outputs/<name>")
    method: Method = Field(
        default="sft", description="sft: the recorded answers; dpo, kto: these against rejected ones, see train harvest"
    )
    beta: float | None = Field(
        default=None, gt=0, description="of dpo and kto: how strongly the model is held to where it began; default: 0.1"
    )
    seed: int = Field(default=42)
    num_train_epochs: float = Field(default=1.0, gt=0)
    max_steps: int = Field(default=-1, description="overrides num_train_epochs when positive")
    per_device_train_batch_size: int = Field(default=8, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    lr_scheduler_type: Schedule = Field(default="linear")
    warmup_ratio: float = Field(default=0.05, ge=0, le=1)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1, description="decay of the squared gradients' mean")
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = Field(default=False)
    loss_weights: LossWeights = Field(default_factory=LossWeights)
    bf16: Literal["auto"] | bool = Field(default="auto", description="bf16 autocast; auto: where the hardware has it")
    packing: bool = Field(default=False, description="pack rows up to max_context_length")
    logging_steps: int = Field(default=10, ge=1)
    report_to: Literal["none", "wandb", "tensorboard", "trackio"] = Field(default="none")
    save_steps: int | None = Field(
        default=None,
        ge=0,
        description="steps between checkpoints, 0: none; default: a third of the run, or what the best step needs",
    )
    save_strategy: Literal["steps", "epoch"] = Field(
        default="steps", description="epoch: a checkpoint at the end of each epoch, not every save_steps"
    )
    save_total_limit: int = Field(default=2, ge=1, description="checkpoints kept; the best one is kept besides")
    eval_steps: int = Field(default=0, ge=0, description="steps between evaluations while training; 0: none")
    eval_strategy: Literal["steps", "epoch"] = Field(
        default="steps", description="epoch: evaluate at the end of each epoch, not every eval_steps"
    )
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
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="further fields of TRL's SFTConfig (of dpo and kto: DPOConfig, KTOConfig), by their own names",
    )

    @property
    def evaluates(self) -> bool:
        """Whether there are evaluations while training."""
        return self.eval_strategy == "epoch" or self.eval_steps > 0

    @model_validator(mode="after")
    def _one_rhythm(self) -> "TrainConfig":
        for strategy, steps in (("eval_strategy", self.eval_steps), ("save_strategy", self.save_steps)):
            if getattr(self, strategy) == "epoch" and steps:
                raise ValueError(f"{strategy} epoch takes no {strategy.split('_')[0]}_steps, but they are {steps}")
        return self

    @model_validator(mode="after")
    def _fits_method(self) -> "TrainConfig":
        if self.method == "sft":
            if self.beta is not None:
                raise ValueError("beta: is for method dpo and kto, but method is sft")
            return self
        for name, is_set in (("packing", self.packing), ("loss_weights", self.loss_weights != LossWeights())):
            if is_set:
                raise ValueError(f"{name}: is for method sft, but method is {self.method}; leave it out")
        return self

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, extra: dict[str, Any]) -> dict[str, Any]:
        check_extra(extra, cls.model_fields)
        return extra


class ServeConfig(Record):
    """The vLLM server; one base and one tool-call format a server."""

    host: str = Field(default="127.0.0.1")
    port: int = Field(default=8000, ge=1, le=65535)
    max_model_len: int = Field(default=4096, gt=0, description="tokens, prompt and answer together")
    tool_call_parser: str = Field(
        default="auto",
        description="vLLM's parser, which also names the format of calls; auto: derived from the chat template",
    )
    reasoning_parser: str | None = Field(default=None, description="vLLM's parser of thinking; default: none")
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
    channel: Literal["auto", "raw", "served", "both"] = Field(
        default="auto",
        description="raw: the text is parsed here; served: the server's own tool_calls are taken; auto: raw where the "
        "server gives raw text, otherwise served",
    )
    examples: int = Field(
        default=0,
        ge=0,
        description="of `evaluate` alone: training sessions that call a tool, shown before each conversation",
    )
    repeats: int = Field(default=1, ge=1, description="answers to each turn, with seeds 0, 1, ...; for pass^k")
    concurrency: int = Field(default=32, ge=1, description="requests in flight at each endpoint")
    timeout_s: float = Field(default=120, gt=0, description="a request, seconds")
    max_answer_mib: float = Field(default=16, gt=0, description="of an answer, decompressed; a longer one is an error")
    run_timeout_s: float | None = Field(default=None, gt=0, description="a whole run, seconds; --resume goes on")
    retries: int = Field(default=4, ge=0, description="on transport errors, 429 and 5xx")
    api_key_env: str | None = Field(
        default=None, description="environment variable with the API key; default: CALLPROOF_, VLLM_ or OPENAI_API_KEY"
    )

    @property
    def max_body(self) -> int:
        """`max_answer_mib` in bytes."""
        return int(self.max_answer_mib * 2**20)


class GateConfig(Record):
    """When a candidate may replace the baseline; margins and floors are fractions, null drops one.

    See docs/explanation/gate.md.
    """

    margins: dict[str, Fraction | None] = Field(
        default_factory=lambda: {"turn_exact": 0.02, "name_f1": 0.02, "hallucination_rate": 0.02},
        description="metric: by how much the candidate may be worse than the baseline",
    )
    floors: dict[str, Fraction | None] = Field(
        default_factory=lambda: {"parse_rate": 0.98, "schema_valid": 0.95},
        description="metric: the least that the candidate must reach; the most, where low is good",
    )
    slice_floors: dict[str, dict[str, Fraction]] = Field(
        default_factory=dict, description="slice or pattern, such as tool=*: floors by metric"
    )
    max_infra_error_rate: float = Field(default=0.005, ge=0, le=1)
    min_sessions: int = Field(default=30, ge=2, description="no margin passes on fewer sessions that carry its metric")


class RunConfig(Record):
    """One adapter, from sessions to gate."""

    name: str = Field(pattern=NAME_PATTERN, description="of the adapter, and served so")
    data: DataConfig
    prompt: PromptConfig = PromptConfig()
    model: ModelConfig = ModelConfig()
    lora: LoraConfig = LoraConfig()
    train: TrainConfig = TrainConfig()
    serve: ServeConfig = ServeConfig()
    eval: EvalConfig = EvalConfig()
    gate: GateConfig = GateConfig()

    @property
    def output_dir(self) -> Path:
        return self.train.output_dir or Path("outputs") / self.name

    @property
    def adapter_dir(self) -> Path:
        return self.output_dir / "adapter"

    @property
    def eval_prompts_path(self) -> Path:
        """Lines of `callproof.turns.TurnPrompt`: written by training, compared with a server by `evaluate parity`."""
        return self.output_dir / "eval_prompts.jsonl"


def load(path: Path | str, overrides: Sequence[str] = ()) -> RunConfig:
    """The validated configuration of a file, with what the environment and `KEY=VALUE` words give on top.

    Raises:
        UserError: missing file, malformed YAML, unknown key (with the nearest valid one), wrong type.
    """
    return resolve(RunConfig, Path(path), overrides).config


def load_gate(path: Path, overrides: Sequence[str] = ()) -> GateConfig:
    """The `gate` section of a configuration, or of a file that holds nothing else; raises as `load` does."""
    whole = {"name", "data"} & sections_of(RunConfig, path)
    return load(path, overrides if whole else ("name=gate", "data.domain=unread", *overrides)).gate
