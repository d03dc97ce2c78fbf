"""Model and tokenizer of a GGUF file as transformers reads them; what llama.cpp would read otherwise is refused."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from callproof.errors import UserError

ARCHITECTURES = ("llama", "qwen2", "qwen3")
SPLITS = ("gpt-2", "smollm", "qwen2", "deepseek-r1-qwen", "llama-bpe")
_SCALED = ("rope.scaling.type", "rope.scaling.factor")
_PUBLISHED = "take the model as safetensors"


def check_file(file: Path) -> None:
    """Raise a UserError unless transformers reads everything that a GGUF file says of its model.

    It knows no part of a split file, drops scaled rotary frequencies (`rope_freqs`, `rope.scaling`) without a word, and
    splits text as GPT-2 did where it does not know how a tokenizer's text was split.
    """
    reader = _reader(file)
    kind = _said(reader, "general.architecture")
    if kind not in ARCHITECTURES:
        raise UserError(file, f"is a model of the kind {kind!r}", f"choose one of {', '.join(ARCHITECTURES)}")
    if (_said(reader, "split.count") or 1) > 1:
        raise UserError(file, "is one part of a split model", "join the parts with llama-gguf-split --merge")
    _check_rotation(file, reader, kind)
    _check_tokenizer(file, reader)


def _check_rotation(file: Path, reader: Any, kind: str) -> None:
    scaled = [name for name in _SCALED if _said(reader, f"{kind}.{name}") not in (None, "none", 1.0)]
    if scaled or any(tensor.name == "rope_freqs.weight" for tensor in reader.tensors):
        problem = f"scales its rotary frequencies ({', '.join(scaled) or 'rope_freqs'}), which conversion loses"
        raise UserError(file, problem, _PUBLISHED)
    heads, width = (_said(reader, f"{kind}.{name}") for name in ("attention.head_count", "embedding_length"))
    whole = _said(reader, f"{kind}.attention.key_length") or (width // heads if heads and width else None)
    turned = _said(reader, f"{kind}.rope.dimension_count")
    if None not in (turned, whole) and turned != whole:
        raise UserError(file, f"rotates {turned} of the {whole} numbers of a head", _PUBLISHED)


def _check_tokenizer(file: Path, reader: Any) -> None:
    if (kind := _said(reader, "tokenizer.ggml.model")) != "gpt2":
        problem = f"has a tokenizer of the kind {kind!r}, not byte-level BPE (gpt2)"
        raise UserError(file, problem, _PUBLISHED)
    if (split := _said(reader, "tokenizer.ggml.pre")) not in SPLITS:
        problem = f"splits text before its tokenizer as {split!r}, not as one of {', '.join(SPLITS)}"
        raise UserError(file, problem, _PUBLISHED)


def load_file(file: Path) -> tuple[Any, Any]:
    """The model as its plain class in bfloat16, and its tokenizer.

    Raises:
        UserError: transformers cannot load it, or has no place for a tensor, or lacks one.
    """
    loader: Any = AutoModelForCausalLM
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        read, told = loader.from_pretrained(**place, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # what is wrong in a file may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(file, f"transformers cannot load it ({reason})", _PUBLISHED) from None
    if lost := sorted(map(str, (*told["missing_keys"], *told["unexpected_keys"], *told["mismatched_keys"]))):
        raise UserError(file, f"has no place for, or lacks, {lost[0]}", _PUBLISHED)
    reader = _reader(file)
    held = sum(int(tensor.n_elements) for tensor in reader.tensors)
    placed = sum(weight.numel() for weight in read.parameters())
    if held != placed:  # biases that an architecture does not have are dropped without a word
        raise UserError(file, f"holds {held:,} weights, and transformers has a place for {placed:,}", _PUBLISHED)
    _split_as(_said(reader, "tokenizer.ggml.pre"), tokenizer.backend_tokenizer)
    return _plain(read), tokenizer


def _split_as(split: str, backend: Any) -> None:
    """What transformers leaves out of two of `SPLITS`: single digits, and whole words that no merges lead to."""
    if split == "smollm":
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    backend.model.ignore_merges = split == "llama-bpe"


def _plain(read: Any) -> Any:
    config = read.config
    del config.quantization_config
    with torch.device("meta"):
        model = type(read)(config)
    model.load_state_dict(read.bfloat16().state_dict(), assign=True)
    model.tie_weights()
    return model


def _reader(file: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UserError(file, "needs the package gguf", "pip install gguf, or callproof[train]") from None
    if not file.is_file():
        raise UserError(file, "file not found", "name a GGUF file")
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise UserError(file, "is no GGUF file: it does not begin with `GGUF`", "name a GGUF file")
    try:
        return GGUFReader(file)
    except Exception as error:  # as above
        raise UserError(file, f"is no whole GGUF file ({error})", "copy it again") from None


def _said(reader: Any, key: str) -> Any:
    return reader.fields[key].contents() if key in reader.fields else None
