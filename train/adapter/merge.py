"""Merge an adapter into its base: one model folder that any server or library loads.

The base is loaded afresh in bfloat16, never as a quantised copy, and the adapter is added to its weights
(`merge_and_unload(safe_merge=True)`). Weights, tokenizer, the chat template of the training, generation config and
merge.json are written beside the target, compared with base and adapter (see train/adapter/agreement.py), and put in
place only if rounding explains the difference.
"""

from importlib import metadata
from pathlib import Path
from typing import Any

from callproof.config import ModelConfig, RunConfig, same_model, template_sha256
from callproof.errors import UserError
from callproof.records import replacing_folder, write_json

from ..rows.data import encode_sessions, from_pretrained
from ..rows.encode import Encoder, Row
from ..rows.hashes import sha256
from .adapters import SavedAdapter, adapter_tokenizer, load_with_adapter

FILE = "merge.json"
SCHEMA_VERSION = 1
SESSIONS = 4


class WrongMerge(Exception):
    """The merged model answers otherwise than base and adapter; carries the comparison."""

    def __init__(self, comparison: dict[str, Any]) -> None:
        super().__init__("the merged model differs from base and adapter by more than rounding to bfloat16 explains")
        self.comparison = comparison


def check_target(out: Path, adapter: SavedAdapter, force: bool) -> None:
    """Raise a UserError where something is in the way at `out`; `force` gives up an earlier merge only."""
    if same_model(str(out), adapter.base.base_model):
        raise UserError(out, "is the base itself", "choose another --out")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / FILE).is_file():
        raise UserError(out, f"is there already and is no merged model (no {FILE})", "choose another --out")
    if not force:
        raise UserError(out, "holds a merged model", "replace it with --force, or choose another --out")


def merge(adapter: SavedAdapter, out: Path, config: RunConfig | None) -> dict[str, Any]:
    """Write the merged model to `out`; returns what merge.json holds.

    Args:
        adapter: see `train.adapter.adapters.find_adapter`.
        out: a folder that `check_target` lets pass.
        config: the models are compared on its first eval sessions; without it, on a few built-in sentences.

    Raises:
        UserError: base and adapter do not fit, or a file cannot be written.
        WrongMerge: nothing is written.
    """
    import torch

    tokenizer = adapter_tokenizer(adapter)
    rows = comparison_rows(tokenizer, config)
    with replacing_folder(out) as folder:
        model = load_with_adapter(adapter, torch.bfloat16)
        try:
            merged = model.cpu().merge_and_unload(safe_merge=True)
        except ValueError as error:
            raise UserError(adapter.folder, f"cannot be merged ({error})", "train again") from None
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        del model, merged
        comparison = compare(adapter, folder, rows)
        if not comparison["explained"]:
            raise WrongMerge(comparison)
        report = _report(adapter, tokenizer.chat_template, comparison)
        write_json(folder / FILE, report)
    return report


def check_merged(adapter: SavedAdapter, folder: Path, config: RunConfig | None) -> dict[str, Any]:
    """Compare the merged model in `folder`, whoever made it, with base and adapter; returns the comparison.

    Raises:
        UserError: there is no model, or not one of that base.
        WrongMerge: it differs by more than rounding explains.
    """
    if not (folder / "config.json").is_file():
        raise UserError(folder, "holds no model (no config.json)", "leave --check out, and it is made")
    comparison = compare(adapter, folder, comparison_rows(adapter_tokenizer(adapter), config))
    if not comparison["explained"]:
        raise WrongMerge(comparison)
    return comparison


def comparison_rows(tokenizer: Any, config: RunConfig | None) -> list[Row]:
    """The rows on which merged and unmerged model are compared; see `merge`."""
    from .agreement import neutral_rows

    if config is None:
        return neutral_rows(tokenizer)
    rows = encode_sessions("eval", config, Encoder(tokenizer), limit=SESSIONS).rows
    return [row for row in rows if row.supervised]


def compare(adapter: SavedAdapter, folder: Path, rows: list[Row]) -> dict[str, Any]:
    """The model in `folder` against base and adapter: figures, those of rounding, and whether that explains them.

    Raises:
        UserError: the model cannot be loaded, or has another vocabulary.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from .agreement import agreement, explained, spoken_logits

    exact = spoken_logits(load_with_adapter(adapter, torch.float32), rows)
    rounded = spoken_logits(load_with_adapter(adapter, torch.bfloat16), rows)
    model = from_pretrained(AutoModelForCausalLM, ModelConfig(base_model=str(folder)), dtype=torch.float32)
    logits = spoken_logits(model, rows)
    if logits[0].shape != exact[0].shape:
        problem = f"has {logits[0].shape[-1]} tokens in its vocabulary, base and adapter have {exact[0].shape[-1]}"
        raise UserError(folder, problem, "give the model that was merged of them")
    merged, rounding = agreement(exact, logits), agreement(exact, rounded)
    verdict = explained(merged, rounding)
    return {"difference": merged.figures(), "rounding": rounding.figures(), "explained": verdict}


def _report(adapter: SavedAdapter, chat_template: str, comparison: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "adapter": str(adapter.folder),
        "base_model": adapter.base.base_model,
        "revision": adapter.base.revision,
        "dtype": "bfloat16",
        "sha256": {
            "adapter": sha256(adapter.folder / "adapter_model.safetensors"),
            "chat_template": template_sha256(chat_template),
        },
        "comparison": comparison,
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "peft")},
    }
