"""The forms that records may have, one registry for all: own_form."""

from .form import Form
from .openai import OWN
from .registry import FORMS, IDS, NAMES, ReadRecord, form_named, is_no_log, own_form

__all__ = ["FORMS", "IDS", "NAMES", "OWN", "Form", "ReadRecord", "form_named", "is_no_log", "own_form"]
