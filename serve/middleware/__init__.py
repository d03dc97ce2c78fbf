"""What vLLM's server imports of this package, through its `--middleware`: ASGI classes around its application.

vLLM itself is not imported here, and neither is the rest of the package.
"""

from .moving import LOAD, UNLOAD, Moving
from .unguided import Unguided

__all__ = ["LOAD", "UNLOAD", "Moving", "Unguided"]
