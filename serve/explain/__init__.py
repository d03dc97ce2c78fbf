"""Which layer between a training and a client changes the answers: arms on the same turns, and a verdict."""

from .command import Options, Unanswered, explain
from .reference import Training
from .report import show as show_explanation

__all__ = ["Options", "Training", "Unanswered", "explain", "show_explanation"]
