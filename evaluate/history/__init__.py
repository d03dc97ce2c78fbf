"""What one does with runs every day after: list them, look at failing turns, compare any two, clear old ones away."""

from .commands import diff, prune, runs, show

__all__ = ["diff", "prune", "runs", "show"]
