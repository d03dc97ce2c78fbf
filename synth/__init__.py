"""Writes synthetic sessions, the same bytes on every run: the two domains, and what the embedded base model learns from."""
