"""Where the public data lies that is no part of the repository; tests that need it are skipped without it."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("CALLPROOF_SHARED", Path(__file__).resolve().parents[3] / "shared"))
BFCL = SHARED / "bfcl" / "v4"
PUBLISHED_FILES = sorted((SHARED / "bfcl" / "published").glob("*.jsonl"))
PUBLISHED = SHARED / "bfcl" / "published" / "hermes-2-pro-llama-3-8b.jsonl"

needs_bfcl = pytest.mark.skipif(not PUBLISHED.exists(), reason="needs BFCL's data; set CALLPROOF_SHARED")

CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="needs the shared cases; set CALLPROOF_SHARED")
