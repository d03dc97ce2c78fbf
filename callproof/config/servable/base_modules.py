"""The modules of a base model and their shapes, read from its files without torch.

The names and shapes in the headers of the base's own weights are taken where they lie on this machine: in its folder,
or in the hub's cache. Where only its configuration does, the shapes of a decoder of Llama's kind are worked out.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from callproof.errors import UserError
from callproof.records import read_object

from .base_file import base_file
from .tensors import read_header

COPY_AGAIN = "copy the base model again"
LLAMA_LIKE = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "granite", "smollm3", "seed_oss")
_WRAPPERS = re.compile(r"^(?:(?:model|language_model)\.)+")

Shape = tuple[int, int]
"""(width out, width in) of a linear layer, (rows, width) of an embedding."""


class BaseModules(NamedTuple):
    """Modules of a base.

    Attributes:
        shapes: module -> its shape; None where the weights are packed, as quantised ones are.
        source: the file or folder that they were read from.
        wrapped: whether language and vision models stand side by side in it. Their prefixes differ between what is
            stored and what is trained, and vLLM maps them; they are then not compared.
    """

    shapes: dict[str, Shape | None]
    source: Path
    wrapped: bool

    def key(self, module: str) -> str:
        """The name under which an adapter's module is looked up."""
        return _WRAPPERS.sub("", module) if self.wrapped else module

    def shape(self, module: str) -> Shape | None:
        """The module's shape; None if it is not known. Raises a LookupError where the base has no such module."""
        for name in (module, module.removeprefix("model."), module.removeprefix("transformer.")):
            if self.key(name) in self.shapes:
                return self.shapes[self.key(name)]
        raise LookupError(module)


def base_modules(base_model: str, revision: str | None = None) -> BaseModules | None:
    """The modules of a base model; None where nothing of it on this machine tells them.

    Args:
        base_model: folder or hub id.
        revision: of a hub id.

    Raises:
        UserError: a file of the base is broken.
    """
    file = base_file(base_model, "config.json", revision)
    if file is None:
        return None
    folder, settings = file.parent, read_object(file, COPY_AGAIN)
    files = _weight_files(folder)
    wrapped = "text_config" in settings
    if not files:
        shapes = _shapes_by_rule(settings)
        return BaseModules(shapes, file, wrapped=False) if shapes else None
    shapes: dict[str, Shape | None] = {}
    for file in files:
        for name, tensor in read_header(file).items():
            module, _, kind = name.rpartition(".")
            is_vector = kind == "weight" and len(tensor.shape) == 1  # of a norm, on which no adapter stands
            if kind in ("weight", "qweight", "weight_packed") and not is_vector:
                plain = kind == "weight" and "quantization_config" not in settings
                shapes[module] = _matrix(tensor.shape) if plain else None
    found = BaseModules(shapes, folder, wrapped)
    _add_tied_head(found)
    return found._replace(shapes={found.key(module): shape for module, shape in found.shapes.items()})


def _matrix(shape: tuple[int, ...]) -> Shape | None:
    """Height and width; None of what is no matrix."""
    match shape:
        case (height, width):
            return height, width
        case _:
            return None


def _weight_files(folder: Path) -> list[Path]:
    """The files with the base's weights; empty unless all of them are there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        files = [folder / "model.safetensors"]
    else:
        try:
            files = [folder / name for name in sorted(set(read_object(index, COPY_AGAIN)["weight_map"].values()))]
        except (LookupError, TypeError, AttributeError):
            raise UserError(index, "expected weight_map, tensor -> file", COPY_AGAIN) from None
    return files if all(file.is_file() for file in files) else []


def _add_tied_head(base: BaseModules) -> None:
    """A head that shares the weights of the embedding is stored once and is a module all the same."""
    embedding = next((module for module in base.shapes if module.endswith("embed_tokens")), None)
    if embedding and not any(module.endswith("lm_head") for module in base.shapes):
        base.shapes["lm_head"] = base.shapes[embedding]


def _shapes_by_rule(settings: dict[str, Any]) -> dict[str, Shape | None]:
    """Shapes by the configuration alone; empty for a kind of model whose layers are not known."""
    if settings.get("model_type") not in LLAMA_LIKE:
        return {}
    try:
        hidden, inner, heads = settings["hidden_size"], settings["intermediate_size"], settings["num_attention_heads"]
        width = settings.get("head_dim") or hidden // heads
        queries, keys = heads * width, (settings.get("num_key_value_heads") or heads) * width
        vocabulary, layers = settings["vocab_size"], range(settings["num_hidden_layers"])
    except (LookupError, TypeError):
        return {}
    attention = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
    attention["o_proj"] = (hidden, queries)
    mlp = {"gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
    shapes: dict[str, Shape | None] = dict.fromkeys(("model.embed_tokens", "lm_head"), (vocabulary, hidden))
    for layer in layers:
        for room, modules in (("self_attn", attention), ("mlp", mlp)):
            shapes |= {f"model.layers.{layer}.{room}.{name}": shape for name, shape in modules.items()}
    return shapes
