"""Faster layers of Llama's shape for training on a CPU: the same results from fewer passes over memory.

The last layer is computed at supervised positions alone, since the loss looks at no others.
"""

from .layers import gathers, quicken
from .products import has_bf16

__all__ = ["gathers", "has_bf16", "quicken"]
