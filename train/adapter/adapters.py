"""Trained adapters on disk: what they belong to, and their base model with them on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from callproof.config import ModelConfig, RunConfig, check_trained_on, template_sha256
from callproof.errors import UserError
from callproof.records import explain, read_object

from ..rows.data import from_pretrained, load_tokenizer

MEND = "train again, or copy the whole adapter folder"


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter's folder, and the base model and chat template that it was trained with.

    `template_sha256` is None where there is no manifest beside the folder.
    """

    folder: Path
    base: ModelConfig
    template_sha256: str | None


def find_adapter(folder: Path, config: RunConfig | None = None, base: str | None = None) -> SavedAdapter:
    """Read an adapter's base and template from its `adapter_config.json` and the manifest beside its folder.

    Args:
        folder: of the adapter.
        config: its `model` section is taken if given, and must name the adapter's base.
        base: a folder or hub id to be taken in place of the base that the adapter names.

    Raises:
        UserError: there is no whole adapter, or it belongs to another base.
    """
    file = folder / "adapter_config.json"
    if not folder.is_dir():
        raise UserError(folder, "there is no adapter", "train it: callproof train --config ...")
    settings, manifest = read_object(file, MEND), folder.parent / "manifest.json"
    if (kind := settings.get("peft_type")) != "LORA":
        raise UserError(file, f"peft_type is {kind!r}, expected 'LORA'", "give a LoRA adapter")
    known = read_object(manifest, MEND) if manifest.is_file() else {}
    recorded = settings.get("base_model_name_or_path")
    if config and not base:
        check_trained_on(folder, settings, config.model.base_model, None, "the configuration")
    if not (base or recorded):
        raise UserError(file, "names no base model", "give --base")
    model = config.model if config else _recorded_model(known, manifest)
    revision = None if base else settings.get("revision") or model.revision
    model = model.model_copy(update={"base_model": base or recorded, "revision": revision})
    return SavedAdapter(folder, model, known.get("sha256", {}).get("chat_template"))


def _recorded_model(manifest: dict[str, Any], file: Path) -> ModelConfig:
    try:
        model = ModelConfig.model_validate(manifest.get("config", {}).get("model", {}))
    except ValidationError as error:
        raise UserError(f"{file}: config.model", explain(error), "give --config") from None
    return model.model_copy(update={"trust_remote_code": False})  # a manifest may come from anywhere


def adapter_tokenizer(adapter: SavedAdapter) -> Any:
    """The tokenizer of the base, with the chat template that training used.

    Raises:
        UserError: the base is not there, or its template is no longer that of the training.
    """
    tokenizer = load_tokenizer(adapter.base)
    current = template_sha256(tokenizer.chat_template or "")
    if adapter.template_sha256 not in (None, current):
        problem = "was trained with another chat template than the base has now"
        raise UserError(adapter.folder, problem, "restore the template, or train again")
    return tokenizer


def load_with_adapter(adapter: SavedAdapter, dtype: Any) -> Any:
    """The base model, freshly loaded in `dtype`, with the adapter on; in evaluation mode.

    Raises:
        UserError: the base is not there or is quantised, or the adapter does not fit it.
    """
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    name = adapter.base.base_model
    if getattr(from_pretrained(AutoConfig, adapter.base), "quantization_config", None):
        raise UserError(name, "is a quantised copy of a model", "give the model itself with --base")
    weights = _weights_file(adapter.folder)
    model = from_pretrained(AutoModelForCausalLM, adapter.base, dtype=dtype)
    try:
        model = PeftModel.from_pretrained(model, str(adapter.folder))
    except (ValueError, RuntimeError, OSError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(adapter.folder, f"does not fit the base {name!r} ({reason})", MEND) from None
    _check_names(model, weights, name)
    return model.eval()


def _weights_file(folder: Path) -> Path:
    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise UserError(folder, "holds no adapter_model.safetensors", MEND)
    return file


def _check_names(model: Any, weights: Path, base: str) -> None:
    """Raise a UserError where saved and expected tensors differ, which PEFT passes over in silence."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        held = set(file.keys())
    expected = set(get_peft_model_state_dict(model))
    for name, problem in ((held - expected, "has no place in"), (expected - held, "is missing for")):
        if name:
            raise UserError(weights, f"{min(name)!r} {problem} the base {base!r}", "give the base it was trained on")
