"""Adapters of PEFT's form, written without PEFT: any shapes, names and values, broken ones included."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Q_PROJ = "model.layers.0.self_attn.q_proj"
PREFIX = "base_model.model."
SETTINGS: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj"],
    "bias": "none",
    "base_model_name_or_path": "models/tiny",
}
TYPES = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i4": "I32", "<u2": "BF16"}


def safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The file that holds these tensors; 16 bit unsigned ones are taken for bfloat16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.nbytes
        header[name] = {"dtype": TYPES[tensor.dtype.str], "shape": tensor.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors.values())


def lora(*modules: str, rank: int = 8, widths: tuple[int, int] = (4, 4), value: float = 0.01) -> dict[str, np.ndarray]:
    """A and B matrices of modules, all values alike; `widths` are out and in."""
    out, inner = widths
    return {
        f"{PREFIX}{module}.lora_{matrix}.weight": np.full(shape, value, "<f4")
        for module in modules
        for matrix, shape in (("A", (rank, inner)), ("B", (out, rank)))
    }


def write_adapter(folder: Path, tensors: Mapping[str, np.ndarray] | bytes | None = None, **settings: Any) -> Path:
    """An adapter in a new folder; by default one matrix pair of the rank that its settings give `q_proj`."""
    folder.mkdir(parents=True)
    settings = {**SETTINGS, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    if tensors is None:
        patterns = settings.get("rank_pattern") or {}
        rank = patterns.get("q_proj", settings["r"]) if isinstance(patterns, dict) else settings["r"]
        tensors = lora(Q_PROJ, rank=rank if isinstance(rank, int) and rank > 0 else 1)
    weights = tensors if isinstance(tensors, bytes) else safetensors(tensors)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder
