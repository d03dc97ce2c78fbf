"""Content security policies of the pages that are written."""

import base64
import hashlib


def source_hash(text: str) -> str:
    """How a policy names an inline style or script, so that the page admits that one alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
