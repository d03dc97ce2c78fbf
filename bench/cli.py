"""What `callproof bench` takes: its commands as a table; options stand beside what they are for."""

import argparse

from callproof.console import Command, Verb
from callproof.errors import EXIT_INCONCLUSIVE, EXIT_INVALID, EXIT_REGRESSION

from .commands import run_bench
from .compare import command as compare
from .compare import overhead
from .exchange import command as exchange
from .exchange import export, prometheus
from .importers import files
from .measure import add_load, add_target

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
    add_load(parser)
    add_target(parser)


VERB = Verb(
    name="bench",
    manual=_MANUAL,
    default="run",
    exits=_EXITS,
    examples=_EXAMPLES,
    commands={
        "run": Command("measure a served model", _run, run_bench, _RUN),
        "overhead": Command("what an adapter costs", overhead.options, overhead.act, overhead.__doc__),
        "compare": Command("is B slower than A? with a gate", compare.options, compare.act,
                           compare.__doc__),
        "export": Command("the requests for AIPerf or vLLM's bench", exchange.export_options,
                          exchange.export, export.__doc__),
        "import": Command("results of vLLM's bench or AIPerf", exchange.import_options,
                          exchange.import_files, files.__doc__),
        "prometheus": Command("a saved bench as Prometheus text", exchange.prometheus_options,
                              exchange.prometheus, prometheus.__doc__),
    },
)  # fmt: skip
main = VERB.main
