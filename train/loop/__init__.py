"""The training itself: TRL's trainer with our loss, evaluation and checkpoints.

Files here import torch, so they are imported by name, where they are needed.
"""
