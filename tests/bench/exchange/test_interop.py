"""Requests for other load generators, and their results as ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench_program import TOOLS, bench, workplace
from fake_endpoint import FakeEndpoint

__all__ = ["workplace"]
HOSTILE = 'a"b\\c\n</script>{x="y"} 1'


def vllm_result(**changes: Any) -> dict[str, Any]:
    """As `vllm bench serve --save-result` of vLLM 0.32 writes it without --save-detailed."""
    return {
        "date": "20261120-101500", "endpoint_type": "openai-chat", "backend": "openai-chat", "label": None,
        "model_id": "car_sales", "tokenizer_id": "models/tiny", "num_prompts": 4, "request_rate": "inf",
        "burstiness": 1.0, "max_concurrency": 2, "duration": 2.0, "completed": 4, "failed": 0,
        "total_input_tokens": 1800, "total_output_tokens": 40, "request_throughput": 2.0, "request_goodput": None,
        "output_throughput": 20.0, "total_token_throughput": 920.0, "latencies": [0.5, 0.6, 0.7, 0.8],
        "queue_times": [0.0] * 4, "max_output_tokens_per_s": 30.0, "max_concurrent_requests": 2, "rtfx": 0.0,
        "mean_ttft_ms": 110.0, "median_ttft_ms": 105.0, "std_ttft_ms": 9.0, "p99_ttft_ms": 140.0,
        "mean_tpot_ms": 50.0, "median_tpot_ms": 49.0, "std_tpot_ms": 3.0, "p99_tpot_ms": 60.0,
        "mean_itl_ms": 50.0, "median_itl_ms": 48.0, "std_itl_ms": 3.0, "p99_itl_ms": 61.0, **changes,
    }  # fmt: skip


def vllm_detailed(**changes: Any) -> dict[str, Any]:
    """The same with --save-detailed; the last request failed."""
    details = {
        "completed": 3, "failed": 1, "input_lens": [450] * 4, "output_lens": [3, 3, 3, 0],
        "start_times": [100.0, 100.0, 100.5, 100.6], "ttfts": [0.1, 0.2, 0.3, 0.0],
        "itls": [[0.2, 0.2], [0.2, 0.2], [0.2, 0.2], []], "latencies": [0.5, 0.6, 0.7, 0.0],
        "generated_texts": ["a", "b", "c", ""], "errors": ["", "", "", "Internal Server Error"],
    }  # fmt: skip
    return vllm_result(**{**details, **changes})


def aiperf_aggregate(**changes: Any) -> dict[str, Any]:
    """As AIPerf writes profile_export_aiperf.json."""

    def of(unit: str, avg: float, **points: float) -> dict[str, Any]:
        return {"unit": unit, "avg": avg, **points}

    points = {"p1": 90.0, "p5": 91.0, "p50": 100.0, "p90": 120.0, "p95": 125.0, "p99": 130.0, "std": 5.0}
    return {
        "schema_version": "1.0", "request_throughput": of("requests/sec", 2.5),
        "request_latency": of("ms", 400.0, p50=390.0, p90=450.0, p99=480.0), "request_count": of("requests", 10.0),
        "error_request_count": of("requests", 2.0), "time_to_first_token": of("ms", 101.0, **points),
        "inter_token_latency": of("ms", 20.0, p50=19.0, p90=22.0, p99=25.0), "total_osl": of("tokens", 160.0),
        "output_token_throughput": of("tokens/sec", 40.0), "benchmark_duration": of("sec", 4.0),
        "input_config": {"endpoint": {"model_names": ["car_sales"]}, "loadgen": {"concurrency": 8}},
        "was_cancelled": False, "error_summary": [], **changes,
    }  # fmt: skip


def aiperf_records() -> list[dict[str, Any]]:
    """As AIPerf writes profile_export.jsonl."""

    def ms(value: Any) -> dict[str, Any]:
        return {"value": value, "unit": "ms"}

    good = {"request_latency": ms(300.0), "time_to_first_token": ms(100.0), "inter_chunk_latency": ms([90.0, 110.0]),
            "output_sequence_length": {"value": 3, "unit": "tokens"}}  # fmt: skip
    at = 1_759_813_207_000_000_000
    meta = {"session_num": 0, "conversation_id": "car_sales/s1", "turn_index": 0, "benchmark_phase": "profiling"}
    times = [{**meta, "request_start_ns": at + n * 10**9, "request_end_ns": at + n * 10**9 + 3 * 10**8} for n in (0, 1)]
    failure = {"code": 500, "type": "HTTPError", "message": HOSTILE}
    return [{"metadata": times[0], "metrics": good, "error": None}, {"metadata": times[1], "error": failure}]


def imported(folder: Path, *values: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """The report that `import` makes of these values, one after another in a file."""
    path = folder / "result.json"
    path.write_text("\n".join(json.dumps(value) for value in values))
    done = bench(folder, "import", str(path), "--out", "b.json", *words)
    assert done.returncode == 0, done.stderr
    assert "car_sales" in done.stdout
    return json.loads((folder / "b.json").read_text())


def test_a_vllm_result_becomes_a_level_with_the_figures_that_it_tells(tmp_path: Path) -> None:
    (level,) = imported(tmp_path, vllm_result())["levels"]
    row = level["models"]["car_sales"]
    assert (level["concurrency"], level["duration_s"], level["samples"]) == (2, 2.0, [])
    assert (row["requests"], row["errors"], row["req_per_s"], row["tokens_per_s"]) == (4, 0, 2.0, 20.0)
    assert (row["ttft_p50_ms"], row["ttft_p90_ms"], row["ttft_p99_ms"]) == (105.0, None, 140.0)
    assert (row["e2e_p50_ms"], row["e2e_p99_ms"]) == (650.0, pytest.approx(797.0))
    assert (row["exact"], row["turn_exact"], row["correct_per_s"]) == (None, None, None)


def test_a_detailed_vllm_result_brings_every_request_and_failed_ones_have_no_latency(tmp_path: Path) -> None:
    (level,) = imported(tmp_path, vllm_detailed())["levels"]
    samples, row = level["samples"], level["overall"]
    assert [sample["started_s"] for sample in samples] == [0.0, 0.0, 0.5, 0.6]
    assert [sample["ttft_ms"] for sample in samples] == [100.0, 200.0, 300.0, None]
    assert samples[3]["error"] == "Internal Server Error"
    assert (row["requests"], row["errors"], row["ttft_p50_ms"], row["e2e_p50_ms"]) == (4, 1, 200.0, 600.0)
    assert (row["tpot_p50_ms"], row["itl_p50_ms"], row["turn_exact"]) == (200.0, 200.0, None)


def test_appended_vllm_results_become_one_level_each(tmp_path: Path) -> None:
    levels = imported(tmp_path, vllm_result(), vllm_result(max_concurrency=8))["levels"]
    assert [level["concurrency"] for level in levels] == [2, 8]


def test_an_aiperf_aggregate_becomes_a_level(tmp_path: Path) -> None:
    (level,) = imported(tmp_path, aiperf_aggregate())["levels"]
    row = level["models"]["car_sales"]
    assert (level["concurrency"], level["duration_s"]) == (8, 4.0)
    assert (row["requests"], row["errors"], row["req_per_s"], row["output_tokens"]) == (12, 2, 2.5, 160.0)
    assert (row["ttft_p50_ms"], row["tpot_p90_ms"], row["e2e_p99_ms"], row["itl_p50_ms"]) == (100.0, 22.0, 480.0, None)


def test_units_of_aiperf_are_heeded(tmp_path: Path) -> None:
    export = aiperf_aggregate(time_to_first_token={"unit": "sec", "avg": 0.1, "p50": 0.2})
    assert imported(tmp_path, export)["levels"][0]["overall"]["ttft_p50_ms"] == 200.0


def test_aiperf_records_become_a_level_with_every_request(tmp_path: Path) -> None:
    (level,) = imported(tmp_path, *aiperf_records(), words=("--model", "car_sales"))["levels"]
    good, failed = level["samples"]
    assert (good["ttft_ms"], good["e2e_ms"], good["itl_ms"], good["output_tokens"]) == (100.0, 300.0, [90.0, 110.0], 3)
    assert (failed["started_s"], failed["error"]) == (1.0, f"HTTPError: {HOSTILE}")
    assert level["duration_s"] == 1.3


def test_an_import_from_a_cpu_is_labelled(tmp_path: Path) -> None:
    report = imported(tmp_path, vllm_result(), words=("--device", "cpu, 2 cores"))
    assert report["note"] == "functional, not performance"
    assert "functional, not performance" in (tmp_path / "b.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "result.json: holds no result"),
        ("[1]", "result.json:1: holds no result"),
        ('{"a": 1}', "result.json:1: is neither a result of `vllm bench serve` nor"),
        (json.dumps(vllm_result()) + "\n{", "result.json:2: malformed JSON"),
        ("[" * 100_000, "result.json:1: malformed JSON"),
        (json.dumps(vllm_result(duration=float("nan"))), "result.json:1: duration"),
        (json.dumps(vllm_result(completed=-1)), "result.json:1: completed"),
        (json.dumps(vllm_result(max_concurrency=0)), "result.json:1: max_concurrency"),
        (json.dumps(vllm_detailed(ttfts=[0.1])), "expected one entry for each request"),
        (json.dumps(vllm_detailed(itls=None)), "expected one entry for each request"),
        (json.dumps(vllm_detailed(latencies=[0.1])), "expected one entry for each request"),
        (json.dumps(aiperf_aggregate(request_latency={"unit": "furlong"})), "result.json:1: request_latency.unit"),
        (json.dumps(aiperf_records()[0]) + '\n{"metadata": {}}', "result.json:2: metadata.request_start_ns"),
    ],
)
def test_a_file_that_is_no_result_is_one_line_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    done = bench(tmp_path, "import", "result.json", "--out", "b.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "b.json").exists()


def test_an_aiperf_export_holds_the_bodies_that_our_own_bench_sends(workplace: Path) -> None:
    words = ["--config", "cars.yaml", "--model", "cars", "--model", "tiny"]
    done = bench(workplace, "export", *words, "--format", "aiperf", "--out", "inputs.json", "--requests", "3")
    assert done.returncode == 0, done.stderr
    data = json.loads((workplace / "inputs.json").read_text())["data"]
    assert [session["session_id"] for session in data] == [f"{m}/s{n}" for m in ("cars", "tiny") for n in range(3)]
    exported = [body for session in data for body in session["payloads"]]
    with FakeEndpoint(models=["cars", "tiny"]) as fake:
        bench(workplace, "--endpoint", fake.url, *words, "--concurrency", "1", "--requests", "3", "--out", "b.json")
    key = json.dumps
    assert sorted(map(key, exported)) == sorted(key(payload) for payload in fake.requests[2:])
    assert all(body["tools"] for body in exported)


def test_a_vllm_custom_export_has_a_prompt_and_a_length_a_line(workplace: Path) -> None:
    done = bench(workplace, "export", "--config", "cars.yaml", "--format", "vllm-custom", "--out", "p.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (workplace / "p.jsonl").read_text().splitlines()]
    assert len(rows) == 10
    assert {frozenset(row) for row in rows} == {frozenset({"prompt", "output_tokens"})}
    assert {row["output_tokens"] for row in rows} == {256}
    assert all("Weather in City" in row["prompt"] and "You help." in row["prompt"] for row in rows)


def test_with_an_endpoint_prompts_are_what_its_template_makes_of_the_turns(workplace: Path) -> None:
    words = ["export", "--config", "cars.yaml", "--format", "vllm-custom", "--out", "p.jsonl", "--requests", "1"]
    with FakeEndpoint(models=["cars"]) as fake:
        assert bench(workplace, *words, "--endpoint", fake.url).returncode == 0
    rendered = json.loads(json.loads((workplace / "p.jsonl").read_text())["prompt"])
    assert rendered["tools"][0]["function"]["name"] == TOOLS[0]["function"]["name"]
    assert rendered["messages"][-1]["content"] == "Weather in City 0?"
    with FakeEndpoint(models=["cars"], template=None) as fake:
        done = bench(workplace, *words[:-1], "2", "--endpoint", fake.url)
    assert done.returncode == 2
    assert "renders no prompt of cars" in done.stderr
    assert json.loads((workplace / "p.jsonl").read_text())["output_tokens"] == 256


def test_prometheus_text_parses_and_carries_units_labels_and_hostile_names(tmp_path: Path) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    result = vllm_detailed(model_id=HOSTILE)
    (tmp_path / "result.json").write_text("\n".join(map(json.dumps, (result, {**result, "max_concurrency": 4}))))
    words = ("result.json", "--out", "b.json", "--device", "cpu, 2 cores")
    assert bench(tmp_path, "import", *words).returncode == 0
    assert bench(tmp_path, "prometheus", "b.json", "--out", "b.prom").returncode == 0
    text = (tmp_path / "b.prom").read_text()
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert all(family.documentation for family in families.values())
    ttft = families["callproof_bench_ttft_seconds"].samples
    assert {(one.labels["model"], one.labels["concurrency"], one.labels["quantile"]) for one in ttft} == {
        (HOSTILE, level, point) for level in ("2", "4") for point in ("0.5", "0.9", "0.99")
    }
    assert next(one.value for one in ttft if one.labels["quantile"] == "0.5") == pytest.approx(0.2)
    assert "callproof_bench_exact_ratio" not in families
    assert "# functional, not performance" in text


def test_repeated_blocks_are_series_of_their_own(tmp_path: Path) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    imported(tmp_path, vllm_result(), vllm_result())
    assert bench(tmp_path, "prometheus", "b.json", "--out", "b.prom").returncode == 0
    families = list(parser.text_string_to_metric_families((tmp_path / "b.prom").read_text()))
    (requests,) = [family for family in families if family.name == "callproof_bench_requests"]
    assert [one.labels["block"] for one in requests.samples] == ["1", "2"]
