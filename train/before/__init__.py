"""What is known before money is spent: faults of the data, settings that cannot be served, memory.

Some files import torch, so they are imported by name, where they are needed.
"""
