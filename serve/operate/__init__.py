"""What is done to a running server: check it, load and unload adapters, promote a new version."""

from .doctor import diagnose, show
from .subject import Sampled, Subject, pool
from .versions import Version, publish

__all__ = [
    "Sampled",
    "Subject",
    "Version",
    "diagnose",
    "pool",
    "publish",
    "show",
]
