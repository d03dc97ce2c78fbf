"""The forms that records may have, one registry for all: own_form."""

from .form import Form
from .openai import OWN
from .registry import FORMS, NAMES, ReadRecord, form_named, own_form

__all__ = ["FORMS", "NAMES", "OWN", "Form", "ReadRecord", "form_named", "own_form"]
