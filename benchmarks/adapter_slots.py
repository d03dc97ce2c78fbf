"""What many adapters on one vLLM cost: output tokens per second of one adapter, and of several that share the load.

    python benchmarks/adapter_slots.py --config configs/car_sales.yaml --count 8

Starts one server with copies of the configuration's adapter (many_adapters.py makes them), and lets `callproof bench
--live 1,N` measure both levels in rounds that take turns. The last line on stdout is JSON: medians over rounds, and the
share of the throughput of one adapter that is left.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from many_adapters import copies, options
from own_server import served

from callproof.config import load
from callproof.console import Parser, last_line, positive
from callproof.errors import EXIT_PASS, UserError, exit_with


def levels(config: Path, url: str, names: list[str], args: argparse.Namespace, out: Path) -> list[dict[str, Any]]:
    """The levels that `callproof bench` saves."""
    words = [word for name in names for word in ("--model", name)]
    words += ["--live", f"1,{len(names)}", "--requests", str(args.requests), "--blocks", str(args.rounds)]
    words += ["--concurrency", str(args.concurrency), "--endpoint", url, "--out", str(out)]
    command = [sys.executable, "-m", "callproof", "bench", "--config", str(config), *words]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise UserError("callproof bench", f"ended with code {done.returncode}", "see its words above")
    return json.loads(out.read_text(encoding="utf-8"))["levels"]


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument("--count", type=positive, default=8, metavar="N", help="adapters (default %(default)s)")
    parser.add_argument("--requests", type=positive, default=200, metavar="N", help="a level (default %(default)s)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="of both levels (default %(default)s)")
    parser.add_argument("--concurrency", type=positive, default=16, metavar="N", help="default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        adapters = copies([load(args.config)], args.count, folder)
        with served(*options(adapters), log=folder / "serve.log") as url:
            found = levels(args.config, url, [adapter.name for adapter in adapters], args, folder / "bench.json")
    rates = {
        live: [level["overall"]["tokens_per_s"] for level in found if level["live"] == live] for live in (1, args.count)
    }
    kept = [many / one for one, many in zip(rates[1], rates[args.count], strict=True)]
    print(f"{args.count} adapters: {statistics.median(kept):.2f} of the throughput of one")
    medians = {str(live): round(statistics.median(of_level), 1) for live, of_level in rates.items()}
    spread = [round(value, 3) for value in (min(kept), max(kept))]
    last_line({"tokens_per_s": medians, "kept": round(statistics.median(kept), 3), "spread": spread})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
