"""Checks before anything slow begins: settings that contradict each other, and what the machine lacks."""

from importlib.util import find_spec
from pathlib import Path

from callproof.config import (
    LossWeights,
    RunConfig,
    adapter_modules,
    base_model_type,
    check_adapter_folder,
    linear_modules,
    problems,
)
from callproof.errors import UserError
from callproof.turns import eval_turns

from ..rows.hub_data import read_records

INITS = ("default", "gaussian", "orthogonal")


def check_settings(config: RunConfig) -> None:
    """Raise a UserError where the settings cannot make an adapter that vLLM serves, or contradict each other."""
    _check_lora(config)
    _check_evaluation(config)
    if config.data.text == "as_is" and config.train.loss_weights != LossWeights():
        problem = "weighs calls, names and text, which are not told apart in texts of data.text: as_is"
        raise UserError("train.loss_weights", problem, "leave it out")
    _check_method(config)
    if config.model.dtype == "float16" and config.train.bf16 is True:
        raise UserError("train.bf16", "is true, but model.dtype is float16", "leave one of the two out")
    if config.train.push_to_hub and not config.train.hub_model_id:
        raise UserError("train.push_to_hub", "says no repository", "set train.hub_model_id, such as owner/name")


def check_machine(config: RunConfig) -> None:
    """Raise a UserError where the machine lacks what the settings need: packages, CUDA, a token of the hub."""
    check_tracker("train.report_to", config.train.report_to)
    if config.model.quantization != "none":
        _check_quantization(config.model.quantization)
    _check_weights_on_machine(config)
    if config.train.check_with_vllm and not find_spec("vllm"):
        raise UserError("train.check_with_vllm", "package vllm is not installed", "install it, or leave the key out")
    if config.train.push_to_hub:
        check_token("train.push_to_hub")


def check_tracker(where: str, tracker: str) -> None:
    """Raise a UserError where the package of a tracker is not installed."""
    packages = ("tensorboard", "tensorboardX") if tracker == "tensorboard" else (tracker,)
    if tracker != "none" and not any(find_spec(package) for package in packages):
        raise UserError(where, f"package {tracker} is not installed", f"run: pip install {tracker}")


def check_token(where: str) -> None:
    """Raise a UserError where there is no token to write to the hub with."""
    from huggingface_hub import get_token

    if not get_token():
        raise UserError(where, "there is no token of the Hugging Face hub", "run: hf auth login, or set HF_TOKEN")


def _check_method(config: RunConfig) -> None:
    """Rejected answers stand in sessions alone."""
    method, data = config.train.method, config.data
    for key, is_set in (("data.text", data.text == "as_is"), ("data.prepared", data.prepared is not None)):
        if is_set and method != "sft":
            problem = f"{method} learns from rejected answers, which stand in sessions alone"
            raise UserError("train.method", problem, f"leave {key} out, or set train.method: sft")


def _check_lora(config: RunConfig) -> None:
    settings = config.lora.peft_settings
    for problem in problems(settings, base_model_type(config.model.base_model, config.model.revision)):
        raise UserError("section lora", f"vLLM would refuse the adapter: {problem}", "correct it before training")
    if config.lora.init not in INITS:
        problem = f"{config.lora.init!r} needs a pass over the data before training, which is not made here"
        raise UserError("lora.init", problem, f"choose one of {', '.join(INITS)}")
    if "lm_head" in settings["target_modules"]:
        problem = "lm_head cannot be trained: the loss is computed from the base's own"
        raise UserError("lora.target_modules", problem, "leave it out")
    if config.model.lora_path:
        _check_start(config, settings)


def _check_start(config: RunConfig, settings: dict[str, object]) -> None:
    """The adapter to go on with is whole, of this base, and as section lora says."""
    folder, model = config.model.lora_path, config.model
    assert folder is not None
    if not folder.is_dir():
        raise UserError("model.lora_path", f"there is no folder {folder}", "correct the path")
    saved = check_adapter_folder(folder, model.base_model, model.revision, "the configuration").settings
    _check_targets(config, folder)
    for key in ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern"):
        if (saved.get(key) or False) != (settings[key] or False):
            problem = f"its {key} is {saved.get(key)!r}, but section lora makes it {settings[key]!r}"
            raise UserError(folder, problem, "give section lora the adapter's own settings")


def _check_targets(config: RunConfig, folder: Path) -> None:
    """Refuse targets that the adapter does not have: training would go on with its own."""
    targets, model = config.lora.target_modules, config.model
    named = linear_modules(model.base_model, model.revision) if isinstance(targets, str) else targets
    held, wanted = (sorted({name.rsplit(".", 1)[-1] for name in names}) for names in (adapter_modules(folder), named))
    if wanted and held != wanted:
        problem = f"it holds {', '.join(held)}, but lora.target_modules means {', '.join(wanted)}"
        raise UserError(folder, problem, "give lora.target_modules the adapter's own modules")


def _check_evaluation(config: RunConfig) -> None:
    train = config.train
    if train.early_stopping_patience and not train.metric_for_best_model:
        raise UserError("train.early_stopping_patience", "needs a metric", "set train.metric_for_best_model")
    if not train.metric_for_best_model:
        return
    where = "train.metric_for_best_model"
    if not train.evaluates:
        mend = "set train.eval_steps, or train.eval_strategy: epoch"
        raise UserError(where, "needs evaluations while training", mend)
    by_epoch = train.eval_strategy == "epoch"
    if train.save_steps not in (None, train.eval_steps) or (train.save_strategy == "epoch") > by_epoch:
        saved = "epoch" if train.save_strategy == "epoch" else train.save_steps
        evaluated = "epoch" if by_epoch else train.eval_steps
        problem = f"the best step must have a checkpoint, but they come every {saved}, evaluations every {evaluated}"
        raise UserError(where, problem, "leave train.save_steps and train.save_strategy out")
    if train.metric_for_best_model == "eval_perplexity":
        return
    if config.data.text == "as_is":
        raise UserError(where, "texts of data.text: as_is have no turns to be answered", "choose eval_perplexity")
    turns = eval_turns(config, read_records)
    if train.metric_for_best_model == "eval_tool_f1" and not any(turn.gold or turn.alternatives for turn in turns):
        raise UserError(where, "no eval turn has a gold call, so tool F1 is undefined", "choose eval_turn_exact")


def _check_weights_on_machine(config: RunConfig) -> None:
    """The type of the weights and the attention need hardware and packages."""
    attention = config.model.attn_implementation or ""
    if config.model.dtype != "float16" and not attention.startswith("flash"):
        return
    import torch

    key, value = ("dtype", "float16") if config.model.dtype == "float16" else ("attn_implementation", attention)
    if not torch.cuda.is_available():
        mend = f"leave model.{key} out, or use a GPU machine"
        raise UserError(f"model.{key}", f"{value} needs a CUDA device, and there is none", mend)
    package = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}.get(attention)
    if package and not find_spec(package):
        problem, mend = f"package {package} is not installed", "install it, or choose sdpa"
        raise UserError("model.attn_implementation", problem, mend)


def _check_quantization(kind: str) -> None:
    import torch

    where = "model.quantization"
    if not torch.cuda.is_available():
        raise UserError(where, f"{kind} needs a CUDA device, and there is none", "set it to none, or use a GPU machine")
    if not find_spec("bitsandbytes"):
        raise UserError(where, "package bitsandbytes is not installed", "run: pip install bitsandbytes")
