"""The methods of `train.method`: which of TRL's trainers learns, from which columns, with which arguments of its own.

A file here is one method; it imports its trainer of TRL, so it is imported where it is chosen.
"""

from importlib import import_module

from callproof.config import Method

from .method import Learning

__all__ = ["Learning", "learning"]


def learning(method: Method) -> Learning:
    """How a method learns."""
    return import_module(f".{method}", __name__).LEARNING
