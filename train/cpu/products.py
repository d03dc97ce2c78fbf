"""What the processor multiplies by itself."""

import torch


def has_bf16() -> bool:
    """Whether it has products in bfloat16; those that it emulates take ten to sixty times as long as in float32."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
