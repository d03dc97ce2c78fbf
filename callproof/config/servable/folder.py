"""Whether the weights of an adapter land on its base: names, ranks, shapes and values, all before a server starts.

vLLM looks only at the last part of a tensor's name. Under a prefix or a layer that the base lacks it loads an adapter
and leaves it out without a word; with a rank unlike its settings it scales it wrongly; a NaN stays in the cache that
other adapters read. Each of these is refused here, with the tensor's name and the likely cause.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from callproof.errors import UserError

from .base_modules import BaseModules, base_modules
from .settings import EMBEDDINGS, HALF_MAX, NO_EMBEDDING_LORA, adapter_settings, base_model_type, check_trained_on
from .tensors import FLOATS, Tensor, Values, read_header, values_of

WEIGHTS = "adapter_model.safetensors"
PICKLED = ("adapter_model.bin", "adapter_model.pt")
NAMED_FAULTS = 3
_PREFIX = "base_model.model."
_MATRIX = re.compile(r"(?P<module>.+)\.(?:lora_(?P<linear>[AB])\.weight|lora_embedding_(?P<embedding>[AB]))")
_WHOLE_EMBEDDING = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")
_LAYER = re.compile(r"\blayers\.(\d+)\.")


@dataclass
class Pair:
    """The two matrices of one module: `A` of shape (rank, width in) and `B` of shape (width out, rank).

    `prefix` is what the file has before the module's name.
    """

    prefix: str
    module: str
    embedding: bool
    a: Tensor | None = None
    b: Tensor | None = None

    def name(self, matrix: str) -> str:
        end = f"lora_embedding_{matrix}" if self.embedding else f"lora_{matrix}.weight"
        return f"{self.prefix}{self.module}.{end}"


class CheckedAdapter(NamedTuple):
    """An adapter that vLLM loads as it was trained.

    Attributes:
        settings: of its `adapter_config.json`.
        notes: lines for the user: what could not be compared, and whether it changes nothing.
        compared: whether the base's modules are known on this machine.
    """

    settings: dict[str, Any]
    notes: tuple[str, ...]
    compared: bool


def check_adapter_folder(
    folder: Path, base_model: str, revision: str | None = None, said_by: object = None
) -> CheckedAdapter:
    """Check an adapter's settings against vLLM's rules, and lay its tensors over the base.

    Args:
        folder: of the adapter.
        base_model: folder or hub id of the base that is to be served.
        revision: of a hub id.
        said_by: what names that base, for errors; if given, the adapter must have been trained on a base of that name.

    Raises:
        UserError: a file is missing or broken, the adapter is another base's, or vLLM would refuse it or load it
            wrongly.
    """
    settings = adapter_settings(folder, base_model, revision)
    if said_by:
        check_trained_on(folder, settings, base_model, revision, said_by)
    file = folder / WEIGHTS
    if not file.is_file():
        raise _missing(folder)
    tensors, base = read_header(file), base_modules(base_model, revision)
    pairs, strange = _pairs(tensors)
    faults = [*strange, *_wrong_types(tensors), *_faults(pairs, settings, base, base_model_type(base_model, revision))]
    values = {} if faults else {name: values_of(file, tensor) for name, tensor in tensors.items()}
    faults += _wrong_values(values)
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        problem = "would be refused or silently wrong in vLLM: " + "; ".join(faults[:NAMED_FAULTS]) + more
        raise UserError(file, problem, "train again on this base, or name the base it was trained on")
    notes = [*_uncompared(pairs, settings, base_model, base), *_beyond(pairs, settings), *_idle(settings, values)]
    return CheckedAdapter(settings, tuple(f"{file}: {note}" for note in notes), base is not None)


def adapter_modules(folder: Path) -> set[str]:
    """The modules that an adapter has matrices for, such as `model.layers.0.self_attn.q_proj`."""
    return {pair.module for pair in _pairs(read_header(folder / WEIGHTS))[0]}


def linear_modules(base_model: str, revision: str | None = None) -> set[str]:
    """The modules that PEFT means by `all-linear`; empty where that cannot be told from the base's files."""
    base = base_modules(base_model, revision)
    if base is None or base.wrapped or _has_experts(base):
        return set()
    return {module for module in base.shapes if not module.endswith(EMBEDDINGS)}


def _faults(
    pairs: list[Pair], settings: dict[str, Any], base: BaseModules | None, model_type: str | None
) -> Iterator[str]:
    """Everything that modules, ranks and shapes tell, one text a fault."""
    yield from _lone(pairs)
    yield from _wrong_ranks(pairs, settings)
    for pair in pairs:
        if model_type in NO_EMBEDDING_LORA and pair.module.endswith(EMBEDDINGS):
            yield f"{pair.name('A')!r}: vLLM puts no adapter on embeddings of a base of type {model_type}"
    if base:
        yield from _homeless(pairs, base)
        yield from _unhit(pairs, settings, base)


def _missing(folder: Path) -> UserError:
    pickled = next((name for name in PICKLED if (folder / name).is_file()), None)
    if pickled:
        problem = f"holds {pickled}, a pickle, which can run code when it is read"
        return UserError(folder, problem, "load it where you trust it and save it with PEFT as safetensors")
    return UserError(folder, f"holds no {WEIGHTS}", "train again, or copy the whole adapter folder")


def _pairs(tensors: dict[str, Tensor]) -> tuple[list[Pair], list[str]]:
    """The pairs of matrices by module, and what is wrong with tensors that are no LoRA matrix."""
    pairs: dict[str, Pair] = {}
    strange: list[str] = []
    for name, tensor in tensors.items():
        prefix = _PREFIX if name.startswith(_PREFIX) else ""
        matrix = _MATRIX.fullmatch(name, len(prefix))
        if matrix and not matrix["module"].endswith(("lora_A", "lora_B")):
            pair = pairs.setdefault(matrix["module"], Pair(prefix, matrix["module"], bool(matrix["embedding"])))
            setattr(pair, (matrix["linear"] or matrix["embedding"]).lower(), tensor)
        elif not name.endswith(_WHOLE_EMBEDDING):
            strange.append(f"{name!r} is no LoRA matrix{_why_strange(name)}")
    return list(pairs.values()), strange or ([] if pairs else ["it holds no LoRA matrix at all"])


def _why_strange(name: str) -> str:
    if re.search(r"\.lora_[AB]\.[^.]+\.weight$", name):
        return ": an adapter's name stands in it, so it was not saved by PEFT's save_pretrained"
    if ".base_layer." in name or "lora_" not in name:
        return ": a whole weight of the model, as modules_to_save leaves"
    return ""


def _lone(pairs: list[Pair]) -> Iterator[str]:
    for pair in pairs:
        if pair.a is None or pair.b is None:
            yield f"{pair.name('A' if pair.a else 'B')!r} has no {'B' if pair.a else 'A'} beside it"


def _wrong_types(tensors: dict[str, Tensor]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if tensor.dtype not in FLOATS:
            yield f"{name!r} is of type {tensor.dtype}, not one of {', '.join(FLOATS)}"
        elif len(tensor.shape) != 2:
            yield f"{name!r} has {len(tensor.shape)} dimensions, not 2"


def _wrong_values(values: dict[str, Values]) -> Iterator[str]:
    for name, seen in values.items():
        if not seen.finite:
            yield f"{name!r} holds NaN or infinity"
        elif seen.largest > HALF_MAX:
            yield f"{name!r} holds {seen.largest:.2g}, beyond {HALF_MAX}: half precision makes infinity of it"


def _wrong_ranks(pairs: list[Pair], settings: dict[str, Any]) -> Iterator[str]:
    for pair in pairs:
        rank = rank_of(pair.module, settings)
        for matrix, tensor, axis in (("A", pair.a, 0), ("B", pair.b, -1)):
            if tensor and tensor.shape and tensor.shape[axis] != rank and not _of_experts(pair.module):
                yield f"{pair.name(matrix)!r} has rank {tensor.shape[axis]}, but adapter_config.json says {rank}"


def rank_of(module: str, settings: dict[str, Any]) -> int:
    """The rank that PEFT gives a module: the first pattern that matches the end of its name, else `r`."""
    for pattern, rank in (settings.get("rank_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return rank
    return settings["r"]


def _homeless(pairs: list[Pair], base: BaseModules) -> Iterator[str]:
    """Matrices of modules that the base lacks or that are of another width there."""
    for pair in pairs:
        if pair.a is None or pair.b is None or (_of_experts(pair.module) and _has_experts(base)):
            continue
        try:
            shape = base.shape(pair.module)
        except LookupError:
            yield f"{pair.name('A')!r} has no place in the base{_why_homeless(pair.module, base)}"
            continue
        inner, outer = pair.a.shape[-1], pair.b.shape[0]
        widths = (inner, outer) if pair.embedding else (outer, inner)
        if shape and widths != shape:
            yield f"{pair.module!r} is {widths[0]} x {widths[1]} in the adapter and {shape[0]} x {shape[1]} in the base"


def _why_homeless(module: str, base: BaseModules) -> str:
    if _of_experts(module):
        return ": it has no experts"
    numbers = [int(layer[1]) for name in base.shapes if (layer := _LAYER.search(name))]
    layer = _LAYER.search(module)
    if layer and numbers and int(layer[1]) > max(numbers):
        return f", which has {max(numbers) + 1} layers"
    end = module[layer.start() :] if layer else module.rsplit(".", 1)[-1]
    twin = next((name for name in base.shapes if name.endswith(end)), None)
    return f", which calls it {twin!r}: the prefix is another model's" if twin else ""


def _unhit(pairs: list[Pair], settings: dict[str, Any], base: BaseModules) -> Iterator[str]:
    """Names in `target_modules` of which the base has modules and the adapter has none."""
    held = {pair.module for pair in pairs}
    for target, modules in _targets(settings, base).items():
        if modules and not any(_is_called(module, target) for module in held):
            yield f"it holds nothing for {target!r}, which target_modules names and the base has"


def _targets(settings: dict[str, Any], base: BaseModules) -> dict[str, list[str]]:
    """Name in `target_modules` -> modules of the base that it means; empty for patterns."""
    targets = settings.get("target_modules")
    modules = [module for module in base.shapes if not _of_experts(module)]
    names = targets if isinstance(targets, list) else []
    return {name: [module for module in modules if _is_called(module, name)] for name in names}


def _is_called(module: str, name: str) -> bool:
    return module == name or module.endswith(f".{name}")


def _of_experts(module: str) -> bool:
    return ".experts" in module


def _has_experts(base: BaseModules) -> bool:
    return any(_of_experts(module) for module in base.shapes)


def _uncompared(
    pairs: list[Pair], settings: dict[str, Any], base_model: str, base: BaseModules | None
) -> Iterator[str]:
    """What of the adapter and of the base has no counterpart that is known."""
    if base is None:
        yield f"not compared with the base: no weights or known configuration of {base_model} on this machine"
    elif any(_of_experts(pair.module) for pair in pairs):
        yield "matrices of experts are not compared with the base"
    elif lacking := _lacking(pairs, settings, base):
        yield f"holds nothing for {lacking[0]} ({len(lacking)} such modules): they answer as in the base"


def _beyond(pairs: list[Pair], settings: dict[str, Any]) -> Iterator[str]:
    """What vLLM serves though the settings leave it out, so that PEFT would not: it looks at the tensors alone."""
    excluded, layers = settings.get("exclude_modules") or [], settings.get("layers_to_transform")
    layers = [layers] if isinstance(layers, int) else layers
    for key, beyond in (
        ("exclude_modules", [pair.module for pair in pairs if _is_meant(pair.module, excluded)]),
        ("layers_to_transform", [pair.module for pair in pairs if layers is not None and _layer(pair) not in layers]),
    ):
        if beyond:
            yield f"{key} leaves out {beyond[0]} ({len(beyond)} such modules): held and served all the same"


def _is_meant(module: str, names: Any) -> bool:
    if isinstance(names, str):
        return re.fullmatch(names, module) is not None
    return any(_is_called(module, name) for name in names)


def _layer(pair: Pair) -> int | None:
    found = _LAYER.search(pair.module)
    return int(found[1]) if found else None


def _lacking(pairs: list[Pair], settings: dict[str, Any], base: BaseModules) -> list[str]:
    """Modules of the base that `target_modules` means and the adapter leaves out, where no other setting says so."""
    exceptions = ("exclude_modules", "layers_to_transform", "layers_pattern", "target_parameters")
    if base.wrapped or any(settings.get(key) for key in exceptions):
        return []
    held = {pair.module.removeprefix("model.") for pair in pairs}
    modules = [module for named in _targets(settings, base).values() for module in named]
    return [module for module in modules if module.removeprefix("model.") not in held]


def _idle(settings: dict[str, Any], values: dict[str, Values]) -> Iterator[str]:
    """Why the adapter changes nothing, if it does not."""
    b_matrices = [values[name] for name in values if "lora_B" in name or name.endswith("lora_embedding_B")]
    if not settings["lora_alpha"]:
        yield "changes nothing, lora_alpha is 0: answers are those of the base"
    elif all(not matrix.largest for matrix in b_matrices):
        yield "changes nothing, all its B matrices are zero: answers are those of the base"
