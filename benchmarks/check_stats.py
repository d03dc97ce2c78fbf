"""How fast and in how much memory `callproof train check --stats` reads a folder, beside `datasets.load_dataset`.

    python benchmarks/check_stats.py --size 1000
    python benchmarks/check_stats.py --size 1000 --bare

Writes a folder in a temporary directory: half of the bytes are JSON lines of objects, as OpenAI's form has them, half
Parquet with messages and tools as JSON text, as the public sets have them. They hold sessions of shops' agents that
call tools, each of 16 kB with the system prompt and the catalog of one of twenty shops; with --bare each is of 5 kB,
without those, as a domain's own sessions are. Both read it in a process of its own,
one after the other, `datasets` into an empty cache. `check` has no tokenizer, so that both do what can be done without
one. The last line on stdout is JSON; memory is the peak of resident memory.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from callproof.console import Parser, positive, say
from callproof.errors import EXIT_PASS, exit_with

MB = 10**6
ROOT = Path(__file__).resolve().parents[1]
FILES = 8
SHOPS, TOOLS, TURNS = 20, 12, 4
_WORDS = (
    "order stock parcel refund size colour price sofa lamp chair table shelf grey blue oak steel week street "
    "north return label invoice card voucher gift branch hour driver floor lift door note photo scratch"
).split()
_LOAD = """
import sys
from datasets import disable_progress_bars, load_dataset
disable_progress_bars()
for kind, files in (("json", sys.argv[2]), ("parquet", sys.argv[3])):
    load_dataset(kind, data_files=files, split="train", cache_dir=sys.argv[1])
"""
_MEASURED = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    # of itself what the kernel counts since exec: ru_maxrss would hold the peak of the process that started it as well
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print("peak KiB:", peak, file=sys.stderr)
"""


class Measured(NamedTuple):
    """Wall time of a process in s, and its peak of resident memory in MB."""

    seconds: float
    peak_mb: float


def write_folder(folder: Path, size: int, bare: bool = False) -> int:
    """Write about `size` bytes of sessions, `bare` of prompts and catalogs or not; returns how many there are."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir()
    shops = [_shop(number) for number in range(1 if bare else SHOPS)]
    written = number = 0
    for file in range(FILES):
        records: list[dict[str, str]] = []
        path = folder / f"part-{file}.{'parquet' if file % 2 else 'jsonl'}"
        bytes_of_file = 0
        while bytes_of_file < size / FILES:
            number += 1
            record = _record(number, shops, bare)
            bytes_of_file += sum(map(len, record.values()))
            records.append(record)
        if file % 2:
            parquet.write_table(pyarrow.Table.from_pylist(records), path, compression="none", use_dictionary=False)
        else:
            path.write_text("".join(map(_line, records)), encoding="utf-8")
        written += path.stat().st_size
    return written


def _shop(number: int) -> dict[str, Any]:
    """A system prompt of about 3 kB and a catalog of about 6 kB."""
    chance = random.Random(f"shop {number}")
    rules = "\n".join(f"- {_say(chance, 14)}." for _ in range(36))
    return {"system": f"# Shop {number}\n{rules}", "tools": [_tool(chance, n) for n in range(TOOLS)]}


def _tool(chance: random.Random, number: int) -> dict[str, Any]:
    properties = {
        f"{chance.choice(_WORDS)}_{at}": {"type": "string", "description": _say(chance, 8)} for at in range(4)
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)[:2]}
    return {"type": "function", "function": {"name": f"tool_{number}", "description": _say(chance, 12),
                                             "parameters": schema}}  # fmt: skip


def _record(number: int, shops: list[dict[str, Any]], bare: bool) -> dict[str, str]:
    """A session; its messages and tools are JSON text, so that all rows of a table are alike."""
    chance = random.Random(f"session {number}")
    shop = chance.choice(shops)
    turns = list(_turns(chance, shop["tools"]))
    if bare:
        return {"id": f"session-{number}", "messages": json.dumps(turns)}
    messages = [{"role": "system", "content": shop["system"]}, *turns]
    return {"id": f"session-{number}", "messages": json.dumps(messages), "tools": json.dumps(shop["tools"])}


def _line(record: dict[str, str]) -> str:
    """A record as a line of objects."""
    values = {**record, "id": json.dumps(record["id"])}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}\n"


def _turns(chance: random.Random, tools: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for turn in range(TURNS):
        function = chance.choice(tools)["function"]
        names = function["parameters"]["required"]
        arguments = json.dumps({name: _say(chance, 2) for name in names})
        call = {"id": f"c{turn}", "type": "function", "function": {"name": function["name"], "arguments": arguments}}
        yield {"role": "user", "content": _say(chance, 30)}
        yield {"role": "assistant", "content": "", "tool_calls": [call]}
        rows = [{name: chance.randrange(10**6) for name in names} for _ in range(6)]
        yield {
            "role": "tool",
            "tool_call_id": f"c{turn}",
            "content": json.dumps({"rows": rows, "note": _say(chance, 40)}),
        }
        yield {"role": "assistant", "content": _say(chance, 50)}


def _say(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))


def measured(module: str, words: list[str], folder: Path) -> Measured:
    """Run a module in a process; raises a RuntimeError if it fails."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, module, *words],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    peak = next(line for line in done.stderr.splitlines() if line.startswith("peak KiB:"))
    return Measured(seconds, int(peak.split()[-1]) * 1024 / MB)


def check_config(folder: Path, data: Path) -> Path:
    """A configuration that reads the folder, with a base whose tokenizer cannot be had and a catalog for bare ones."""
    path, tools = folder / "config.yaml", folder / "tools.json"
    tools.write_text(json.dumps(_shop(0)["tools"]))
    data_part = {"train": str(data), "system_prompt": "none", "tools": str(tools), "eval_share": 0.05}
    path.write_text(json.dumps({"name": "bench", "model": {"base_model": "nobody/nothing"}, "data": data_part}))
    return path


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=positive, default=1000, metavar="MB", help="of the folder (default %(default)s)")
    parser.add_argument("--bare", action="store_true", help="sessions without system prompts and catalogs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callproof-bench-") as name:
        folder, data = Path(name), Path(name) / "data"
        size = write_folder(data, args.size * MB, args.bare)
        say(f"{size / MB:.0f} MB in {FILES} files")
        ours = measured("callproof", ["train", "check", "--config", str(check_config(folder, data)), "--stats"], folder)
        say(f"check --stats: {ours.seconds:.1f} s, {ours.peak_mb:.0f} MB")
        (folder / "load_all.py").write_text(_LOAD)
        sources = [str(folder / "cache"), str(data / "*.jsonl"), str(data / "*.parquet")]
        theirs = measured("load_all", sources, folder)
        say(f"load_dataset: {theirs.seconds:.1f} s, {theirs.peak_mb:.0f} MB")
    figures = {"mb": size / MB, "check": ours._asdict(), "load_dataset": theirs._asdict()}
    print(json.dumps({**figures, "times_as_fast": theirs.seconds / ours.seconds}))
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
