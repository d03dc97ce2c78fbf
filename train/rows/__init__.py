"""From sessions to token rows with labels, in memory or prepared on disk.

Some files import torch, so they are imported by name, where they are needed.
"""
