"""Names that the options of `callproof bench` share with what works with them: importing this costs nothing."""

HIGHER_IS_BETTER = {
    "ttft_p50": False, "ttft_p95": False, "tpot_p50": False, "tpot_p95": False, "e2e_p50": False, "e2e_p95": False,
    "req_per_s": True,
}  # fmt: skip
"""The metrics: percentiles of latencies in milliseconds, and answered requests per second."""
OVERALL = "overall"
COMPARED = (*HIGHER_IS_BETTER, OVERALL)
MIN_BLOCKS = 5
IDENTITY = (
    "device", "versions", "parser", "sampling", "prefix_cache", "loop", "arrival", "max_in_flight", "mix", "seed",
    "turns",
)  # fmt: skip
"""What must be equal in both benches. `--vary` exempts what the comparison is about."""
FORMATS = ("aiperf", "vllm-custom")
"""Of what is exported."""
