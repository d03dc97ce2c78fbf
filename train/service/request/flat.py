"""The fifteen settings of `kkit-lora-server`, with its names and defaults, as a configuration of callproof."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from callproof.calls.formats import TemplateRefusal, render_chat
from callproof.config import ModelConfig
from callproof.errors import UserError
from callproof.records import Positive, Record, read_object
from callproof.turns import chat_template

from .places import NotHere, base_model, folder_under

MEASURED = 40
"""Sessions of the upload whose loss the manifest gives."""
OLD_MODULES = ["lm_head", "embed_token"]
_QUESTION, _ANSWER = "What is asked?", "What is answered."
_SAVED = {"lora_rank": "r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout"}


class FlatConfig(Record):
    """One training on chat messages; everything has a default."""

    model_config = ConfigDict(strict=True)

    model_name: str = Field("Qwen/Qwen2.5-0.5B", description="hub id, or a folder under the base path")
    lora_path: str | None = Field(None, description="adapter under the base path to go on from")
    lora_rank: int = Field(8, ge=1, le=512)
    lora_alpha: int = Field(32, ge=1)
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    epochs: Positive = 3
    batch_size: Positive = Field(4, description="rows in a step, on each device")
    learning_rate: float = Field(3e-4, gt=0, allow_inf_nan=False)
    max_length: Positive | None = Field(None, description="tokens; longer rows are dropped and counted, never cut")
    model_save_path: str | None = Field(None, description="name of the adapter under the base path; null: the job's id")
    response_template: str = Field(
        "<|im_start|>assistant\n", description="must be what the chat template writes before an answer"
    )
    lora_target_modules: list[str] | str = Field("all-linear", description="all-linear, or names of modules")
    lora_modules_to_save: list[str] | None = Field(
        OLD_MODULES, description="vLLM serves no adapter that has them: the default is left out, with a note"
    )
    tokenizer_padding_side: Literal["left", "right"] | None = Field(
        "left", description="padding is masked on either side, so that nothing learned depends on it"
    )
    attn_implementation: Literal["flash_attention_2", "sdpa", "eager"] | None = Field(
        "flash_attention_2", description="as transformers names it; without the package flash_attn: its own choice"
    )


@dataclass
class Translation:
    """A configuration's values, what to tell the client about them, and what is wrong (`key: problem`)."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def translate(flat: FlatConfig, base: Path, name: str) -> Translation:
    """The values of a `RunConfig`, all but section `data`'s paths; `name` is that of the adapter."""
    made = Translation()
    targets = flat.lora_target_modules
    if isinstance(targets, str) and targets != "all-linear":
        targets = [targets]
    model = {"base_model": _named(made, "model_name", lambda: base_model(base, flat.model_name))}
    lora = {"r": flat.lora_rank, "alpha": flat.lora_alpha, "dropout": flat.lora_dropout, "target_modules": targets}
    if flat.lora_path is not None:
        folder = _named(made, "lora_path", lambda: adapter_under(base, flat.lora_path or ""))
        if folder:
            model["lora_path"] = str(folder)
            lora |= _of_adapter(made, flat, folder)
    _other_settings(made, flat)
    if model["base_model"]:
        made.values["data"] = {"max_context_length": flat.max_length}
        _check_template(made, flat, model["base_model"])
    made.values |= {
        "name": name,
        "model": model,
        "lora": lora,
        "train": {
            "num_train_epochs": flat.epochs,
            "per_device_train_batch_size": flat.batch_size,
            "learning_rate": flat.learning_rate,
        },
        "eval": {"max_sessions": MEASURED},
    }
    return made


def adapter_under(base: Path, path: str) -> Path:
    """The adapter folder that a path under the base path names; raises NotHere."""
    folder = folder_under(base, path)
    if not (folder / "adapter_config.json").is_file():
        raise NotHere(f"the folder {path[:100]!r} holds no adapter (no adapter_config.json)")
    return folder


def _named(made: Translation, key: str, find: Any) -> Any:
    try:
        return find()
    except NotHere as error:
        made.faults.append(f"{key}: {error}")
        return None


def _of_adapter(made: Translation, flat: FlatConfig, folder: Path) -> dict[str, Any]:
    """Section lora of an adapter to go on from: its own settings, which the request may repeat, not change."""
    try:
        saved = read_object(folder / "adapter_config.json", "copy the whole adapter")
    except UserError as error:
        made.faults.append(f"lora_path: {error.args[1]}")
        return {}
    for key, old in _SAVED.items():
        if key in flat.model_fields_set and getattr(flat, key) != saved.get(old):
            made.faults.append(f"{key}: the adapter of lora_path has {saved.get(old)!r}, got {getattr(flat, key)!r}")
    rslora, ranks, alphas = (saved.get(key) for key in ("use_rslora", "rank_pattern", "alpha_pattern"))
    targets = saved.get("target_modules")
    return {
        "r": saved.get("r"),
        "alpha": saved.get("lora_alpha"),
        "dropout": saved.get("lora_dropout") or 0.0,
        "target_modules": targets if isinstance(targets, list) else "all-linear",
        "use_rslora": rslora or False,
        "rank_pattern": ranks or {},
        "alpha_pattern": alphas or {},
    }


def _other_settings(made: Translation, flat: FlatConfig) -> None:
    """Settings without an equal here: what they would change is told, or refused."""
    if flat.lora_modules_to_save == OLD_MODULES:
        made.notes.append("lora_modules_to_save: not trained, for vLLM serves no adapter that has whole modules")
    elif flat.lora_modules_to_save:
        made.faults.append("lora_modules_to_save: vLLM serves no adapter that has whole modules; give []")
    if flat.attn_implementation == "flash_attention_2" and not find_spec("flash_attn"):
        made.notes.append("attn_implementation: flash_attn is not installed, so transformers chooses the attention")
    elif flat.attn_implementation is not None:
        made.values["model"]["attn_implementation"] = flat.attn_implementation


def _check_template(made: Translation, flat: FlatConfig, model: str) -> None:
    """The loss begins where the chat template begins an answer, which `response_template` must agree with."""
    if "response_template" not in flat.model_fields_set:
        return
    template = chat_template(ModelConfig(base_model=model))
    if template is None:
        made.notes.append("response_template: not compared, for the chat template of the base is not on this machine")
        return
    messages = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}]
    try:
        before = render_chat(template.text, messages).rpartition(_ANSWER)[0].rpartition(_QUESTION)[2]
    except TemplateRefusal as error:
        made.faults.append(f"model_name: its chat template fails ({error})")
        return
    if flat.response_template not in before or not flat.response_template:
        problem = f"the chat template begins an answer with {before!r}, got {flat.response_template!r}"
        made.faults.append(f"response_template: {problem}")
