"""Whether vLLM can serve an adapter, found out before a server is started.

The rules are those of vLLM 0.32 (`vllm.lora.peft_helper.PEFTHelper.validate_legal`, `vllm.lora.lora_model`); an adapter
that breaks one stops the server with a traceback, minutes later.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from callproof.config import RunConfig, same_model
from callproof.errors import UserError
from callproof.records import Record, read_text

ALLOWED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
NO_EMBEDDING_LORA = ("qwen2", "mistral")
MEND = "train it again with plain LoRA (section `lora` of the configuration)"


class Adapter(Record):
    """An adapter that vLLM will accept; `rank` is its largest rank."""

    name: str
    path: Path
    rank: int


def check_adapter(config_path: Path, config: RunConfig, folder: Path | None = None) -> Adapter:
    """The adapter of a configuration, in its own folder or in another one.

    Raises:
        UserError: it is not there yet, is broken, is of another base, or is one that vLLM refuses.
    """
    folder = folder or config.adapter_dir
    file = folder / "adapter_config.json"
    if not folder.is_dir():
        raise UserError(folder, "there is no adapter", f"train it: python -m train --config {config_path}")
    settings = _read_settings(file)
    for problem in [*_unsupported(settings), *_wrong_ranks(settings)]:
        raise UserError(file, f"vLLM refuses this adapter: {problem}", MEND)
    _check_base(file, settings, config_path, config)
    _check_weights(folder, config)
    return Adapter(name=config.name, path=folder, rank=max(_ranks(settings)))


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"{file}:{getattr(error, 'lineno', 1)}"
        raise UserError(where, "malformed JSON", "save the adapter again with PEFT") from None
    if not isinstance(settings, dict):
        raise UserError(file, f"expected an object, got {type(settings).__name__}", "save the adapter again with PEFT")
    missing = [key for key in ("r", "lora_alpha", "target_modules") if key not in settings]
    kind = settings.get("peft_type", "LORA")
    if kind != "LORA":
        raise UserError(file, f"vLLM refuses this adapter: peft_type is {kind!r}, not 'LORA'", MEND)
    if missing:
        raise UserError(file, f"lacks {', '.join(missing)}", "save the adapter again with PEFT")
    return settings


def _unsupported(settings: dict[str, Any]) -> list[str]:
    """What PEFT can train and vLLM cannot serve."""
    problems = []
    if settings.get("bias", "none") != "none":
        problems.append(f"bias is {settings['bias']!r}, not 'none'")
    if saved := set(settings.get("modules_to_save") or ()) - {"classifier", "score"}:
        problems.append(f"modules_to_save holds {', '.join(sorted(saved))}")
    init = settings.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in INITS:
        problems.append(f"init_lora_weights is {init!r}, which changes the base weights")
    switches = ("lora_bias", "use_dora", "use_qalora", "use_bdlora", "alora_invocation_tokens", "layer_replication")
    problems += [f"{key} is set" for key in (*switches, "trainable_token_indices") if settings.get(key)]
    return problems


def _ranks(settings: dict[str, Any]) -> list[Any]:
    return [settings["r"], *(settings.get("rank_pattern") or {}).values()]


def _wrong_ranks(settings: dict[str, Any]) -> list[str]:
    pattern = settings.get("rank_pattern") or {}
    if not isinstance(pattern, dict):
        return ["rank_pattern is no object"]
    ranks = _ranks(settings)
    odd = [rank for rank in ranks if type(rank) is not int or rank < 1]
    if odd:
        return [f"rank {odd[0]!r} is no positive integer"]
    return [f"rank {max(ranks)} is over {ALLOWED_RANKS[-1]}"] if max(ranks) > ALLOWED_RANKS[-1] else []


def _check_base(file: Path, settings: dict[str, Any], config_path: Path, config: RunConfig) -> None:
    trained_on, wanted = settings.get("base_model_name_or_path"), config.model.base_model
    if trained_on and not same_model(trained_on, wanted):
        problem = f"the adapter was trained on base {trained_on!r}, but {config_path} says model.base_model {wanted!r}"
        raise UserError(file, problem, "correct model.base_model, or train again")
    revision = settings.get("revision")
    if revision and config.model.revision and revision != config.model.revision:
        problem = f"the adapter was trained on revision {revision!r}, but {config_path} says {config.model.revision!r}"
        raise UserError(file, problem, "correct model.revision, or train again")


def _check_weights(folder: Path, config: RunConfig) -> None:
    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        if any((folder / f"adapter_model.{ending}").is_file() for ending in ("bin", "pt")):
            return
        raise UserError(folder, "holds no adapter_model.safetensors", "train again, or copy the whole adapter folder")
    names = _tensor_names(file)
    strange = [name for name in names if "lora_A" not in name and "lora_B" not in name and "lora_emb" not in name]
    if strange:
        raise UserError(file, f"vLLM refuses this adapter: it holds {strange[0]!r}, no LoRA matrix", MEND)
    embedding = [name for name in names if "embed_tokens" in name or "lm_head" in name]
    if embedding and _model_type(config) in NO_EMBEDDING_LORA:
        problem = f"vLLM refuses this adapter: {embedding[0]!r} on a base of type {_model_type(config)}"
        raise UserError(file, problem, MEND)


def _tensor_names(file: Path) -> list[str]:
    """Names in a safetensors header (8 bytes of length, JSON, data); also checks that the file is whole."""
    size, header, end = file.stat().st_size, {}, -1
    with file.open("rb") as stream, contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(min(length, size)))
        header.pop("__metadata__", None)
        end = 8 + length + max(tensor["data_offsets"][1] for tensor in header.values())
    if end != size:
        raise UserError(file, "is no whole safetensors file", "train again, or copy the adapter again")
    return list(header)


def _model_type(config: RunConfig) -> str | None:
    file = Path(config.model.base_model) / "config.json"
    return json.loads(read_text(file)).get("model_type") if file.is_file() else None
