"""An adapter on its base: loading, merging, its manifest and card, and the upload.

Files here import torch, so they are imported by name, where they are needed.
"""
