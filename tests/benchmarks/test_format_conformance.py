"""vLLM's own parsers read what callproof renders, but where docs/reference/formats.md says that they do not."""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from conftest import ROOT

from callproof.calls.formats import FORMATS
from callproof.endpoint import TAKEN_OUT

pytest.importorskip("vllm")

WAYS = ("ours", "whole", "streamed", "in_two")
DIFFERS = {
    "deepseek_v3": {"in_two"},
    "deepseek_v31": {"in_two"},
    "functiongemma": {"whole", "streamed", "in_two"},
    "gemma4": {"whole", "streamed", "in_two"},
    "granite": {"streamed", "in_two"},
    "granite-20b-fc": {"in_two"},
    "hunyuan_a13b": {"streamed", "in_two"},
    "internlm": {"streamed", "in_two"},
    "mistral": {"in_two"},
    "muse_glimmer": {"whole", "streamed", "in_two"},
    "phi4_mini_json": {"whole", "streamed", "in_two"},
    "xlam": {"streamed", "in_two"},
}


@cache
def compared() -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.format_conformance", "--calls", "6", "--splits", "2"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", sorted({form.name for form in FORMATS.values()}))
def test_vllm_reads_what_a_format_renders_whole_and_in_every_split(name: str) -> None:
    result = compared()[name]
    assert result["calls"] == 6
    assert result["cuts"] > 0
    assert set(result["differences"]) <= DIFFERS.get(name, set())
    assert result["equal"]["ours"] == 6
    assert result["kept"] == (0 if name in TAKEN_OUT - {"mistral"} else 6)
