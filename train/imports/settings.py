"""Sensible settings of a first training, by the size of the base and the memory of the GPU.

Sizes are rough, and meant to be: `callproof train --dry-run --gpu N` works out what a configuration takes.
"""

import re
from dataclasses import dataclass

GPU_GIB = 24.0
"""Where nothing is said of the GPU."""
BATCH = 16
"""Sessions a step, over all accumulated batches."""
_SMALL, _LARGE = 5e7, 2e10
"""Parameters: below, a base learns as models/tiny does; above, at a third of the usual rate."""
_USUAL = 4e9
"""Taken for a base whose size is not known."""
_RESERVE_GIB = 4.0
"""For the adapter, its optimiser, logits and CUDA itself."""
_TOKEN_BYTES = 6.0
"""Activations a token with gradient checkpointing, times the square root of the parameters; Qwen3 0.6B to 32B."""


@dataclass(frozen=True)
class Settings:
    """Of a training; `parameters` is the size of the base, None where it is not known, `gpu_gib` 0 without a GPU."""

    parameters: float | None
    gpu_gib: float
    rate: float
    context: int
    batch: int
    quantized: bool

    @property
    def is_small(self) -> bool:
        """Whether the base is of the size of models/tiny, which learns by other rules."""
        return self.parameters is not None and self.parameters < _SMALL

    @property
    def size(self) -> str:
        """The size of the base, in words."""
        if self.parameters is None:
            return f"a base of unknown size, taken for {_USUAL / 1e9:.0f} billion parameters"
        billions = self.parameters / 1e9
        return f"{billions:.3g} billion parameters" if billions >= 0.1 else f"{billions * 1e3:.2g} million parameters"

    @property
    def device(self) -> str:
        return f"one GPU of {self.gpu_gib:g} GiB" if self.gpu_gib else "the CPU"


def settings_for(base: str, gpu_gib: float) -> Settings:
    """The settings for a base, a hub id or a folder, on a GPU of so much memory; 0: on the CPU."""
    parameters = parameters_of(base)
    size = parameters or _USUAL
    small = size < _SMALL
    rate = 6e-3 if small else 3e-4 if size < _LARGE else 1e-4
    if small:
        return Settings(parameters, gpu_gib, rate, 4096, 2, False)
    if not gpu_gib:
        return Settings(parameters, 0, rate, 4096, 1, False)
    quantized = 2 * size / 2**30 + _RESERVE_GIB > 0.8 * gpu_gib
    weights = (0.6 if quantized else 2) * size / 2**30
    tokens = max(0, gpu_gib * 0.9 - weights - _RESERVE_GIB) * 2**30 / (_TOKEN_BYTES * size**0.5)
    context = next((length for length in (8192, 4096) if tokens >= length), 2048)
    batch = next((rows for rows in (8, 4, 2) if tokens >= rows * context), 1)
    return Settings(parameters, gpu_gib, rate, context, batch, quantized)


def parameters_of(base: str) -> float | None:
    """How many parameters a base has: by its files where they are on this machine, else by its name; or None."""
    from callproof.config import base_modules

    modules = base_modules(base)
    shapes = modules.shapes.items() if modules else ()
    counted = [shape[0] * shape[1] for name, shape in shapes if shape and name != "lm_head"]
    if counted:
        return float(sum(counted))
    said = re.search(r"(?<![A-Za-z0-9])(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])", base)
    return float(said[1]) * (1e9 if said[2] in "Bb" else 1e6) if said else None
