"""Work on a running server: checks, loading and unloading, promotion of a version."""

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
