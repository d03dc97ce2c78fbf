"""Which adapters vLLM can load: one set of rules for configurations before training and adapter folders after it.

The rules are those of vLLM 0.32 (`vllm.lora.peft_helper.PEFTHelper.validate_legal`, `vllm.lora.lora_model`). Checking
them here takes a second; vLLM itself stops with a traceback only after minutes of loading. Settings are named as in
PEFT's `adapter_config.json`.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.records import read_object

from .base_file import base_file

ALLOWED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
NO_EMBEDDING_LORA = ("qwen2", "mistral")
EMBEDDINGS = ("embed_tokens", "lm_head")
HALF_MAX = 65504
"""The largest number of half precision; no trained adapter comes near it."""
SWITCHES = (
    "lora_bias",
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "layer_replication",
    "trainable_token_indices",
)
REFUSED_KEYS = ("bias", "modules_to_save", *SWITCHES)
"""PEFT settings that the configuration does not offer, since vLLM refuses adapters that use them."""
MEND = "train it again with plain LoRA (section `lora` of the configuration)"


AGAIN = "save the adapter again with PEFT"


def without_unused(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without those of `REFUSED_KEYS` that ask for nothing, such as `bias: none` or `use_dora: false`."""
    causal = {"task_type": ("CAUSAL_LM",)}
    unused = {**dict.fromkeys(REFUSED_KEYS, (None, False, "none", [], {})), **causal}
    return {key: value for key, value in settings.items() if value not in unused.get(key, ())}


def problems(settings: dict[str, Any], model_type: str | None = None) -> list[str]:
    """Why vLLM would refuse an adapter with these settings on a base of that type; empty where it would not."""
    return [
        *_unsupported(settings),
        *_wrong_ranks(settings),
        *_wrong_alphas(settings),
        *_wrong_patterns(settings),
        *_embedding_targets(settings, model_type),
    ]


def highest_rank(settings: dict[str, Any]) -> int:
    """The largest rank of any module; call it only for settings that have no `problems`."""
    return max(_ranks(settings))


def allowed_rank(rank: int) -> int:
    """The smallest `--max-lora-rank` that holds an adapter of that rank."""
    return next(allowed for allowed in ALLOWED_RANKS if allowed >= rank)


def adapter_settings(folder: Path, base_model: str, revision: str | None = None) -> dict[str, Any]:
    """The settings of an adapter, which vLLM will accept on that base.

    Raises:
        UserError: `adapter_config.json` is broken, or vLLM refuses what it says.
    """
    file = folder / "adapter_config.json"
    settings = _read_settings(file)
    if reasons := problems(settings, base_model_type(base_model, revision)):
        raise UserError(file, f"vLLM refuses this adapter: {'; '.join(reasons)}", MEND)
    return settings


def check_trained_on(folder: Path, settings: dict[str, Any], base: str, revision: str | None, said_by: object) -> None:
    """Raise a UserError unless the adapter was trained on the base that `said_by` names."""
    file, trained_on = folder / "adapter_config.json", settings.get("base_model_name_or_path")
    if trained_on and not same_model(trained_on, base):
        problem = f"the adapter was trained on base {trained_on!r}, but {said_by} says model.base_model {base!r}"
        raise UserError(file, problem, "correct model.base_model, or train again")
    other = settings.get("revision")
    if other and revision and other != revision:
        problem = f"the adapter was trained on revision {other!r}, but {said_by} says {revision!r}"
        raise UserError(file, problem, "correct model.revision, or train again")


def template_sha256(chat_template: str) -> str:
    """The hash by which a manifest names the chat template that an adapter was trained with."""
    return hashlib.sha256(chat_template.encode()).hexdigest()


def base_model_type(base_model: str, revision: str | None = None) -> str | None:
    """`model_type` of a base model, a folder or a hub id; None where its configuration is not on this machine."""
    file = base_file(base_model, "config.json", revision)
    return read_object(file, "copy the base model again").get("model_type") if file else None


def _read_settings(file: Path) -> dict[str, Any]:
    settings = read_object(file, AGAIN)
    missing = [key for key in ("r", "lora_alpha", "target_modules") if key not in settings]
    kind = settings.get("peft_type", "LORA")
    if kind != "LORA":
        raise UserError(file, f"vLLM refuses this adapter: peft_type is {kind!r}, not 'LORA'", MEND)
    if missing:
        raise UserError(file, f"lacks {', '.join(missing)}", AGAIN)
    return settings


def _unsupported(settings: dict[str, Any]) -> list[str]:
    """Settings in use that PEFT can train with but vLLM cannot serve, one text each."""
    reasons = []
    if settings.get("bias", "none") != "none":
        reasons.append(f"bias is {settings['bias']!r}, not 'none'")
    if saved := set(settings.get("modules_to_save") or ()) - {"classifier", "score"}:
        reasons.append(f"modules_to_save holds {', '.join(sorted(saved))}")
    init = settings.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in INITS:
        reasons.append(f"init_lora_weights is {init!r}, which changes the base weights")
    return reasons + [f"{key} is set" for key in SWITCHES if settings.get(key)]


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


def _wrong_alphas(settings: dict[str, Any]) -> list[str]:
    pattern = settings.get("alpha_pattern") or {}
    if not isinstance(pattern, dict):
        return ["alpha_pattern is no object"]
    alphas = [settings["lora_alpha"], *pattern.values()]
    odd = [f"alpha {alpha!r} is no number" for alpha in alphas if type(alpha) not in (int, float) or alpha != alpha]
    return odd[:1] or [f"alpha {alpha!r} is beyond {HALF_MAX}" for alpha in alphas if abs(alpha) > HALF_MAX][:1]


def _wrong_patterns(settings: dict[str, Any]) -> list[str]:
    """Patterns of modules that are none; their values are looked at elsewhere."""
    reasons: list[str] = []
    for key in ("rank_pattern", "alpha_pattern"):
        patterns = settings.get(key)
        for pattern in patterns if isinstance(patterns, dict) else ():
            try:
                re.compile(pattern)
            except re.error as error:
                reasons.append(f"{key}: {pattern!r} is no pattern ({error})")
    return reasons


def _embedding_targets(settings: dict[str, Any], model_type: str | None) -> list[str]:
    targets = settings["target_modules"]
    if not isinstance(targets, str | list | tuple | None) or not all(isinstance(name, str) for name in targets or ()):
        return ["target_modules is neither text nor a list of texts"]
    named = [targets] if isinstance(targets, str) else targets or []
    embeddings = [name for name in named if name.rsplit(".", 1)[-1] in EMBEDDINGS]
    return (
        [f"{embeddings[0]!r} on a base of type {model_type}"] if embeddings and model_type in NO_EMBEDDING_LORA else []
    )


def same_model(one: str, other: str) -> bool:
    """Whether both name one model: equal hub ids, or two paths to the same folder."""
    return one.rstrip("/") == other.rstrip("/") or (
        Path(one).is_dir() and Path(other).is_dir() and Path(one).samefile(other)
    )
