"""`callproof bench overhead`: three arms in blocks that take turns."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench_program import bench, workplace
from fake_endpoint import FakeEndpoint, Script

from bench.compare.overhead import parse_arms, ratios
from callproof.errors import UserError

__all__ = ["workplace"]
URL = "http://127.0.0.1:8000"


def test_the_base_is_asked_at_both_servers_and_the_adapter_at_one() -> None:
    arms = parse_arms("nolora=http://127.0.0.1:8001,base=tiny,adapter=cars", URL)
    assert [(arm.name, arm.url, arm.model) for arm in arms] == [
        ("nolora", "http://127.0.0.1:8001", "tiny"),
        ("base", URL, "tiny"),
        ("adapter", URL, "cars"),
    ]
    assert [arm.name for arm in parse_arms("base=tiny,adapter=cars", URL)] == ["base", "adapter"]


@pytest.mark.parametrize("text", ["base=tiny", "base=a,adapter=b,base=c", "base=,adapter=b", "lora=x,base=a,adapter=b"])
def test_arms_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="write it as nolora=URL,base=NAME,adapter=NAME"):
        parse_arms(text, URL)


def blocks(*pairs: tuple[float, float]) -> list[dict[str, dict[str, Any]]]:
    names = ("tokens_per_s", "req_per_s", "ttft_p50_ms", "tpot_p50_ms", "e2e_p50_ms")
    return [{"base": dict.fromkeys(names, base), "adapter": dict.fromkeys(names, adapter)} for base, adapter in pairs]


def test_a_ratio_is_the_geometric_mean_over_blocks_within_its_limits() -> None:
    ratio = ratios(blocks((10, 20), (10, 5), (10, 10), (10, 10)))["adapter/base"]["tokens_per_s"]
    assert ratio is not None
    assert ratio["ratio"] == 1.0
    assert ratio["low"] < 0.75
    assert ratio["high"] == pytest.approx(1 / ratio["low"], rel=0.01)


def test_few_blocks_that_differ_leave_a_wide_interval() -> None:
    few = ratios(blocks((10, 11), (10, 12)))["adapter/base"]["tokens_per_s"]
    many = ratios(blocks(*[(10, 11), (10, 12)] * 6))["adapter/base"]["tokens_per_s"]
    assert few is not None
    assert many is not None
    assert few["high"] / few["low"] > many["high"] / many["low"]


def test_drift_that_both_arms_share_cancels_block_by_block() -> None:
    ratio = ratios(blocks((10, 11), (100, 110), (1, 1.1)))["adapter/base"]["req_per_s"]
    assert ratio == {"ratio": 1.1, "low": 1.1, "high": 1.1}


def test_one_block_or_a_missing_figure_gives_no_ratio() -> None:
    assert ratios(blocks((10, 11)))["adapter/base"]["req_per_s"] is None
    assert ratios(blocks((10, 11), (10, 0)))["adapter/base"]["req_per_s"] is None
    assert ratios([]) == {}


def test_a_slower_adapter_shows_as_a_ratio_and_every_arm_writes_equally_long_answers(workplace: Path) -> None:
    def answer(payload: dict[str, Any]) -> Script:
        return Script("a b c d", first_delay_s=0.4 if payload["model"] == "cars" else 0.1)

    with FakeEndpoint(answer, models=["tiny", "cars"]) as lora, FakeEndpoint(answer, models=["tiny"]) as plain:
        words = ["--endpoint", lora.url, "--config", "cars.yaml", "--out", "o.json", "--device", "cpu"]
        load = ["--blocks", "3", "--requests", "4", "--concurrency", "4", "--tokens", "16"]
        done = bench(workplace, "overhead", *words, "--arms", f"nolora={plain.url},base=tiny,adapter=cars", *load)
        assert {(payload["ignore_eos"], payload["max_tokens"]) for payload in lora.requests} == {(True, 16)}
        assert len(plain.requests) == 1 + 3 * 4
        assert len(lora.requests) == 2 + 2 * 3 * 4
    assert done.returncode == 0, done.stderr
    brief = json.loads(done.stdout.splitlines()[-1])
    assert brief["note"] == "functional, not performance"
    assert "functional, not performance" in done.stdout
    assert set(brief["ratios"]) == {"base/nolora", "adapter/nolora", "adapter/base"}
    slower = brief["ratios"]["adapter/base"]["ttft_p50_ms"]
    assert 1.5 < slower["ratio"] < 4.5
    assert len(json.loads((workplace / "o.json").read_text())["blocks"]) == 3


def test_failed_requests_make_an_overhead_invalid(workplace: Path) -> None:
    with FakeEndpoint(Script(status=500, body=b"broken"), models=["tiny", "cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--arms", "base=tiny,adapter=cars", "--blocks", "2"]
        done = bench(workplace, "overhead", *words, "--requests", "2")
    assert done.returncode == 3
    assert "requests failed" in done.stderr
    assert "HTTP 500: broken" in done.stderr


def test_an_unknown_verb_is_one_line(workplace: Path) -> None:
    done = bench(workplace, "overhed")
    assert done.returncode == 2
    assert "did you mean 'overhead'?" in done.stderr
