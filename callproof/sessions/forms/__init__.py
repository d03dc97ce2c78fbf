"""The forms that records may have, one registry for all: own_form."""

from .registry import FORMS, KEYS, own_form

__all__ = ["FORMS", "KEYS", "own_form"]
