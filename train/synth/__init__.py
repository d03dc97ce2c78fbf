"""Writes synthetic sessions, the same bytes every time: the two domains, and what the base model learns from."""
