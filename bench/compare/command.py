"""The verb `compare`: two models, two endpoints or two saved benches, and a gate on the latency of one."""

import math
import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from callproof.config import RunConfig, load
from callproof.console import last_line
from callproof.console.ci import write_verdict
from callproof.errors import EXIT_INTERRUPTED, UserError
from callproof.records import write_json
from callproof.turns import eval_turns, readable_format

from ..figures import ErrorLimit, parse_error_limit
from ..load import Arrival
from ..measure import Bench, Options, new_mark, run_in_turns, run_until_interrupted
from ..names import COMPARED, MIN_BLOCKS
from ..report import make_report, stamped, writable
from .comparison import MAX_ERRORS, compare, side_of
from .text import junit, markdown, print_comparison


class Place(NamedTuple):
    """One side as the command line has it; None for what it leaves open."""

    model: str | None
    url: str | None = None
    file: Path | None = None


def act(args: Namespace) -> int:
    """Run the comparison; every result is written before the exit code is returned."""
    limits = _limits(args.gate)
    places = [_place(args.baseline), _place(args.candidate)]
    files = [place.file for place in places if place.file]
    if len(files) == 1:
        raise UserError(
            f"{args.baseline} and {args.candidate}", "one is a file and one is live", "give two of the same kind"
        )
    if files and args.overrides:
        raise UserError(args.overrides[0], "is for live sides", "leave it out: saved benches keep their configuration")
    folder = args.out or stamped("compare", "")
    target = args.json or (files[1].with_suffix(".compare.json") if files else folder / "compare.json")
    if not files:
        files = [folder / "baseline.json", folder / "candidate.json"]
        if not _run(args, places, files):
            return EXIT_INTERRUPTED
    max_errors = _max_errors(args)
    wanted = {key: getattr(args, key) for key in ("concurrency", "rate", "live")}
    one, two = (
        side_of(file, place.model or args.model, wanted, max_errors) for file, place in zip(files, places, strict=True)
    )
    result = compare(one, two, limits, args.vary)
    texts = {args.summary: markdown, args.junit: junit}
    write_verdict(target, result.model_dump(mode="json"), {file: text(result) for file, text in texts.items() if file})
    print_comparison(result)
    brief = {"verdict": result.verdict, "gate": result.gate, "exit_code": result.exit_code, "note": result.note}
    last_line({**brief, "compare": str(target)})
    return result.exit_code


def _max_errors(args: Namespace) -> ErrorLimit:
    """Of --max-errors, or else of the configuration's gate, or of the default one."""
    if args.max_errors:
        return parse_error_limit(args.max_errors)
    return ErrorLimit.of(load(args.config, args.overrides).gate) if args.config else MAX_ERRORS


def _limits(text: str) -> dict[str, float]:
    """Metric -> largest slowdown, from text such as `e2e_p95=1.10,ttft_p50=1.10`."""
    limits: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in COMPARED:
            raise UserError(f"--gate {part}", "names no metric", f"choose from: {', '.join(COMPARED)}")
        if not re.fullmatch(r"\d{1,3}(\.\d{1,9})?", number) or float(number) == 0:
            raise UserError(f"--gate {part}", "expected METRIC=X with X above 0", "for instance e2e_p95=1.10")
        limits[name] = float(number)
    return limits


def _run(args: Namespace, places: Sequence[Place], files: Sequence[Path]) -> bool:
    """Run both sides and save them; False after an interruption, when only what was measured is saved."""
    config = _config(args)
    mark = new_mark()
    for path in files:
        writable(path)
    benches = [_bench(args, config, place) for place in places]
    interrupted = run_until_interrupted(run_in_turns(benches, args.blocks))
    for bench, path in zip(benches, files, strict=True):
        write_json(path, _report(bench, args.device, interrupted, mark))
        print(f"written to {path}{' (partial: interrupted)' if interrupted else ''}", file=sys.stderr)
    return not interrupted


def _report(bench: Bench, device: str | None, interrupted: bool, mark: str) -> dict[str, Any]:
    return {**make_report(bench, device, interrupted), "interleaved": mark}


def _config(args: Namespace) -> RunConfig:
    if args.config is None:
        raise UserError("--config", "is missing", "give the configuration whose turns both sides are asked")
    if args.rate is not None and args.concurrency is not None:
        raise UserError("--concurrency", "is of a closed loop, --rate of an open one", "leave one out")
    if args.rate is not None and not 0 < args.rate < math.inf:
        raise UserError(f"--rate {args.rate:g}", "is no number above 0", "give requests per second")
    for name, least in (("blocks", MIN_BLOCKS), ("requests", 1), ("concurrency", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UserError(f"--{name} {value}", f"is less than {least}", "give more")
    return load(args.config, args.overrides)


def _bench(args: Namespace, config: RunConfig, place: Place) -> Bench:
    model = place.model or args.model
    url = place.url or args.endpoint or f"http://{config.serve.host}:{config.serve.port}"
    if not model:
        raise UserError(place.url or "A or B", "names no model", "give --model, or write MODEL@URL")
    turns, format = eval_turns(config), readable_format(config, args.config)
    if args.rate is not None:
        opened = Options(rates=(args.rate,), arrival=Arrival())
        return Bench(url, config.eval, {model: turns}, [], args.requests, opened, format)
    return Bench(url, config.eval, {model: turns}, [args.concurrency or 4], args.requests, format=format)


def _place(text: str) -> Place:
    if text.endswith(".json"):
        model, _, file = ("", "", text) if Path(text).exists() else text.rpartition("@")
        return Place(model or None, file=Path(file))
    url_start = re.search("(^|@)https?://", text)
    return Place(text[: url_start.start()] or None, text[url_start.end(1) :]) if url_start else Place(text or None)
