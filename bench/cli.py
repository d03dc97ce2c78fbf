"""What `callproof bench` takes; other modules do it, imported when it runs, so that `--help` is quick."""

import argparse
from pathlib import Path

from callproof.console import Act, Command, Verb, add_config, late
from callproof.errors import EXIT_INCONCLUSIVE, EXIT_INVALID, EXIT_REGRESSION

from .names import COMPARED, FORMATS, IDENTITY, MIN_BLOCKS

_MANUAL = """Measure a served model, compare two, and trade requests and results with other load generators.

Without a command it measures; `run --help` lists its options.
"""
_RUN = """Measure a served model with the eval turns it was evaluated on: latency, throughput, correct calls per second.

    callproof bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    callproof bench --endpoint http://host:8000 --config configs/car_sales.yaml --config configs/insurance.yaml \\
        --model car_sales --model insurance --model tiny --requests 100 --mix zipf:1.1
    callproof bench --config configs/car_sales.yaml --model car_sales --rate 2,4,8 --slo ttft=200,e2e=2000
    callproof bench --config configs/car_sales.yaml --model car_sales --find-rate --slo ttft=200,e2e=2000
    callproof bench --config configs/car_sales.yaml --model car_sales --requests 700 --find-rate --slo e2e=2000 \\
        --quality 0.02
    callproof bench --config configs/car_sales.yaml --model a --model b --model c --model d --live 1,2,4

Turns are streamed in a closed loop at each concurrency, or in an open loop at each rate; several models share the
server. A model replays the turns of the configuration of its name, or else of the first. On vLLM every level begins
with a cold prefix cache. Prints tables and, as the last line of standard output, their figures as JSON; the file has
every request as well, and an HTML report is written beside it. docs/howto/bench.md and bench/figures/stats.py define
the figures.
What had been measured is saved in any case.
"""
_OVERHEAD = """\
What an adapter costs: the same load on a server without LoRA, on the base of one with LoRA, and on its adapter.

    callproof bench overhead --config configs/car_sales.yaml --endpoint http://127.0.0.1:8000 \\
        --arms nolora=http://127.0.0.1:8001,base=tiny,adapter=car_sales --concurrency 8

`base` and `adapter` are models at --endpoint. `nolora` is the URL of a server of the base alone, and may be left out.
Each block runs all arms with the same turns, in rotating order. Every answer is --tokens long (`ignore_eos`), so that
arms differ only in speed. Ratios are geometric means over blocks, with 95 % limits from a bootstrap over blocks
(bench/compare/ratios.py). The last line of standard output is JSON. Exit codes: 0 measured, 2 wrong usage, 3 requests
failed, 130 interrupted; complete blocks are always saved.
"""
_COMPARE = """\
Compare two models, two endpoints or two saved benches, and gate the latency of one on that of the other.

    callproof bench compare tiny car_sales --config configs/car_sales.yaml --blocks 6
    callproof bench compare http://a:8000 http://b:8000 --config configs/car_sales.yaml --model car_sales
    callproof bench compare tiny@http://a:8000 car_sales@http://b:8000 --config configs/car_sales.yaml --vary versions
    callproof bench compare runs/a.json runs/b.json --gate e2e_p95=1.10,ttft_p50=1.10 --junit bench.xml

A is the baseline, B the candidate. Live sides run their blocks alternately, over the same turns. Saved benches must
have been run in blocks (`callproof bench --blocks 6`). Exit codes: 0 compared, or gate passed; 1 slower than a limit
allows; 2 usage; 3 not comparable; 4 inconclusive; 130 interrupted.
"""
_EXPORT = """\
Writes the requests of a bench for other load generators, so that they load a server with the same turns.

`aiperf`: inputs.json of NVIDIA AIPerf (its dataset type `inputs_json`), sessions of request bodies that it sends
unchanged, each with its model and tools.

`vllm-custom`: JSONL for `vllm bench serve --dataset-name custom`, one prompt per line with the maximum number of answer
tokens. Such a prompt is text. With an endpoint it is what the server's chat template makes of the turn (use it with
`--backend openai --skip-chat-template`). Without one, tools and messages are written out as JSON: about as long as the
real prompt and as similar between turns, but not the same.

    callproof bench export --config configs/car_sales.yaml --format aiperf --out inputs.json
    callproof bench export --config configs/car_sales.yaml --format vllm-custom --endpoint http://h:8000 --out p.jsonl
"""
_IMPORT = """\
Turns results of other load generators into a bench's report: the same tables, JSON and HTML.

    callproof bench import result.json --device "gpu, H100"
    callproof bench import artifacts/profile_export.jsonl --model car_sales --out runs/aiperf.json

Reads files of `vllm bench serve --save-result` (also with --append-result and --save-detailed), and AIPerf's
profile_export_aiperf.json and profile_export.jsonl. Each result becomes one level. What a file lacks stays empty;
correctness always does.
"""
_PROMETHEUS = """\
Writes a bench in Prometheus' text format (version 0.0.4), for a push gateway or the node exporter.

    callproof bench prometheus runs/bench.json --out bench.prom

There is one series for each model and load (and block, if levels were repeated), in base units: seconds and ratios.
"""
_EXAMPLES = """\
  callproof bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
  callproof bench --config configs/car_sales.yaml --model car_sales --rate 2,4,8 --slo ttft=200,e2e=2000
  callproof bench --config configs/car_sales.yaml --model car_sales --requests 700 --find-rate --slo e2e=2000 \\
      --quality 0.02
  callproof bench overhead --config configs/car_sales.yaml --arms nolora=URL,base=tiny,adapter=car_sales
  callproof bench compare tiny car_sales --config configs/car_sales.yaml --gate e2e_p95=1.10
  callproof bench export --config configs/car_sales.yaml --format aiperf --out inputs.json
  callproof bench import result.json profile_export_aiperf.json
  callproof bench prometheus runs/bench.json --out bench.prom
"""
_EXITS = {
    0: "measured, or the gate passed",
    EXIT_REGRESSION: "slower than a limit of `compare` allows",
    EXIT_INVALID: "no answers, too many failed requests, a server that died, or sides that cannot be compared",
    EXIT_INCONCLUSIVE: "inconclusive",
}


def _run(parser: argparse.ArgumentParser) -> None:
    _add_load(parser)
    _add_target(parser)


def _add_load(parser: argparse.ArgumentParser) -> None:
    """The options that say how it is asked."""
    parser.add_argument("--model", action="append", required=True, metavar="NAME", help="as served; repeat it")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each model at each level (200)")
    parser.add_argument("--blocks", type=int, default=1, metavar="N", help="rounds over the levels, for compare (1)")
    parser.add_argument("--mix", metavar="MIX", help="shares: car_sales=3,insurance=1 or zipf:1.1 (default: equal)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the mix and of arrivals (0)")
    parser.add_argument(
        "--live", metavar="N,N", help="a level for each number of live models, the first N (slot cliff)"
    )
    parser.add_argument("--cache", choices=("cold", "warm"), default="cold", help="prefix cache at each level (cold)")
    parser.add_argument("--slo", metavar="LIMITS", help="service level in ms, for goodput: ttft=200,tpot=50,e2e=2000")
    parser.add_argument(
        "--max-errors",
        metavar="LIMIT",
        help="exit 3 if more fail: a share or a count; default: gate.max_infra_error_rate, with --find-rate none",
    )
    closed = parser.add_argument_group("closed loop (default)")
    closed.add_argument("--concurrency", metavar="N,N", help="requests in flight (1,4,16)")
    opened = parser.add_argument_group("open loop: each request is sent at its moment")
    opened.add_argument("--rate", metavar="R,R", help="requests per second")
    opened.add_argument("--arrival", metavar="HOW", help="poisson (default), constant, burst:N or trace:FILE")
    opened.add_argument("--max-in-flight", type=int, metavar="N", help="further requests wait (default: no limit)")
    opened.add_argument("--find-rate", action="store_true", help="search the highest rate that keeps --slo for 95 %%")
    opened.add_argument(
        "--quality",
        type=float,
        metavar="MARGIN",
        help="with --find-rate: and whose turn_exact is shown to be at most this much (0.02) below that of one request "
        "in flight",
    )


def _add_target(parser: argparse.ArgumentParser) -> None:
    """The options that say what is asked, and where the figures go."""
    parser.add_argument("--endpoint", metavar="URL", help="default: serve.host and serve.port of the first --config")
    parser.add_argument(
        "--device", metavar="LABEL", help="what the server runs on; default: found out where it is local"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: runs/<kind>-<time>.json")
    add_config(parser, "whose eval turns are asked, and whose endpoint is the default; may be repeated", several=True)


def _overhead(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arms", required=True, metavar="ARMS", help="nolora=URL,base=NAME,adapter=NAME")
    parser.add_argument("--blocks", type=int, default=6, metavar="N", help="of each arm (6)")
    parser.add_argument("--requests", type=int, default=50, metavar="N", help="of each arm in a block (50)")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="requests in flight (8)")
    parser.add_argument("--tokens", type=int, default=64, metavar="N", help="of each answer (64)")
    _add_target(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    side = "MODEL, URL or MODEL@URL; or a saved bench, FILE.json or MODEL@FILE.json"
    add("baseline", metavar="A", help=side)
    add("candidate", metavar="B", help="likewise")
    add("--endpoint", metavar="URL", help="of sides that name a model only; default: serve.host and serve.port")
    add("--model", metavar="NAME", help="of sides that name none")
    add("--blocks", type=int, default=6, metavar="N", help=f"of each live side, at least {MIN_BLOCKS} (6)")
    add("--requests", type=int, default=100, metavar="N", help="of each live block (100)")
    add("--concurrency", type=int, metavar="N", help="requests in flight (4); of saved benches, which level is meant")
    add("--rate", type=float, metavar="R", help="requests per second of an open loop; of saved benches, likewise")
    add("--live", type=int, metavar="N", help="of saved benches with --live: which level is meant")
    add(
        "--gate", default="", metavar="METRIC=X,..", help=f"largest slowdowns that pass; metrics: {', '.join(COMPARED)}"
    )
    add(
        "--max-errors",
        metavar="LIMIT",
        help="of a side: a share or a count of failed requests; default: gate.max_infra_error_rate (0.5%%)",
    )
    add("--vary", action="append", default=[], choices=IDENTITY, help="may differ, as the comparison is about it")
    add("--device", metavar="LABEL", help="of live sides; default: found out where the server is local")
    add("--out", type=Path, metavar="DIR", help="for baseline.json, candidate.json (default: runs/compare-<time>)")
    add("--json", type=Path, metavar="F.json", help="default: compare.json in --out, or beside B")
    add("--summary", type=Path, metavar="F.md", help="write Markdown; added to $GITHUB_STEP_SUMMARY")
    add("--junit", type=Path, metavar="F.xml", help="write JUnit XML")
    add_config(parser, "of live sides: the turns that both are asked", required=False)


def _export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--format", choices=FORMATS, required=True, help="inputs.json of AIPerf, or vLLM's custom JSONL")
    add("--out", type=Path, required=True, metavar="F")
    add("--model", action="append", metavar="NAME", help="repeat it; default: the name of the configuration")
    add("--requests", type=int, metavar="N", help="the first N turns of each model; default: all")
    add("--endpoint", metavar="URL", help="vllm-custom: render prompts with this server's chat template")
    add_config(parser, "whose eval turns are asked")


def _import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, nargs="+", metavar="FILE", help="of `vllm bench serve --save-result`, or of AIPerf")
    add("--model", metavar="NAME", help="of AIPerf's results, which may not tell it")
    add("--device", metavar="LABEL", help="what the server ran on; default: unknown")
    add("--out", type=Path, metavar="FILE", help="default: runs/bench-<time>.json")


def _prometheus(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, metavar="RUN.json", help="a saved bench")
    add("--out", type=Path, required=True, metavar="F", help="for instance bench.prom")


def _act(module: str, function: str = "act") -> Act:
    return late(f"{__package__}.{module}", function)


VERB = Verb(
    name="bench",
    manual=_MANUAL,
    default="run",
    exits=_EXITS,
    examples=_EXAMPLES,
    commands={
        "run": Command("measure a served model", _run, _act("commands", "run_bench"), _RUN),
        "overhead": Command("what an adapter costs", _overhead, _act("compare.overhead"), _OVERHEAD),
        "compare": Command("is B slower than A? with a gate", _compare, _act("compare.command"), _COMPARE),
        "export": Command("the requests for AIPerf or vLLM's bench", _export, _act("exchange.command", "export"),
                          _EXPORT),
        "import": Command("results of vLLM's bench or AIPerf", _import, _act("exchange.command", "import_files"),
                          _IMPORT),
        "prometheus": Command("a saved bench as Prometheus text", _prometheus,
                              _act("exchange.command", "prometheus"), _PROMETHEUS),
    },
)  # fmt: skip
main = VERB.main
