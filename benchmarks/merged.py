"""What becomes of an adapter's answers when it is merged into its base, and when llama.cpp runs that as GGUF.

    pip download llama-cpp-python --no-binary :all: --no-deps && tar xzf llama_cpp_python-*.tar.gz
    python -m venv llama && llama/bin/pip install xllamacpp
    python benchmarks/merged.py --config configs/car_sales_smollm2.yaml --llama llama/bin/python \\
        --converter llama_cpp_python-*/vendor/llama.cpp/convert_hf_to_gguf.py

The same turns are asked of each arm by `callproof evaluate`: the adapter in transformers (`train endpoint`) and vLLM,
merged (`train merge`) in transformers, and merged as GGUF of each of --types on llama.cpp's server, with the template
that is in the file. Told are the figures of each, and how many of its texts are those of the adapter in transformers.
The last line on stdout is JSON.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from aiohttp.test_utils import unused_port
from callproof.evaluate.runs import read_outcomes
from own_server import served

from callproof.config import load
from callproof.console import Parser, last_line, positive, say
from callproof.errors import EXIT_PASS, UserError, exit_with

TOLD = ("turn_exact", "name_f1", "hallucination_rate")
START_S = 300
_LLAMA = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params.n_parallel, params.use_jinja, params.model_alias = 1, True, {"gguf"}
server = xllamacpp.Server(params)
while True:
    time.sleep(60)
"""


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Run a server for the block; gives its URL once it names its models.

    Raises:
        UserError: it ends, or says nothing for START_S.
    """
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + START_S
            while not _names(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    problem = f"{Path(command[0]).name} did not start a server"
                    raise UserError(str(log), problem, "its last lines say why")
                time.sleep(1)
            yield url
        finally:
            process.kill()


def _names(url: str) -> list[str]:
    """The models that an endpoint serves; none while it cannot be asked."""
    try:
        with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as response:
            return [card["id"] for card in json.load(response)["data"]]
    except OSError:
        return []


def callproof(*words: str) -> list[str]:
    return [sys.executable, "-m", "callproof", *words]


@contextmanager
def arm(name: str, args: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The endpoint of an arm, for the block."""
    log, port = folder / f"{name}.log", unused_port()
    config, merged = str(args.config), str(folder / "merged")
    if name == "vLLM":
        with served("--config", config, log=log) as url:
            yield url
        return
    if name.startswith("GGUF "):
        limit = str(load(args.config).serve.max_model_len)
        file = str(folder / f"{name.removeprefix('GGUF ')}.gguf")
        command = [args.llama, "-c", _LLAMA, file, str(port), limit]
    else:
        model = ["--model", merged] if name == "merged" else []
        command = callproof("train", "endpoint", "--config", config, *model, "--port", str(port))
    with running(command, port, log) as url:
        yield url


def asked(name: str, url: str, args: argparse.Namespace, folder: Path) -> Path:
    """Ask the turns of an endpoint; returns the folder of the run."""
    model = _names(url)[-1]
    words = ("--endpoint", url, "--model", model, "--limit-sessions", str(args.limit_sessions), "--channel", "raw")
    more = ("--concurrency", "8" if name == "vLLM" else "1", "--timeout", "600", "--out", str(folder / name))
    _run(callproof("evaluate", "--config", str(args.config), *words, *more))
    return next(path.parent for path in (folder / name).glob("*/outcomes.jsonl"))


def run_of(name: str, args: argparse.Namespace, folder: Path) -> Path:
    """The run of an arm: one that is in the folder, or a new one."""
    if done := list((folder / name).glob("*/metrics.json")):
        return done[0].parent
    say(f"asking {name}")
    with arm(name, args, folder) as url:
        return asked(name, url, args, folder)


def _run(command: list[str]) -> None:
    """Run a command; raises a UserError if it fails."""
    if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        raise UserError(" ".join(command[1:6]), f"failed with exit code {code}", "its lines above say why")


def write_models(args: argparse.Namespace, folder: Path) -> None:
    """Merge the adapter, and convert what comes out."""
    merged = folder / "merged"
    if not (merged / "merge.json").is_file():
        say("merging")
        _run(callproof("train", "merge", "--config", str(args.config), "--out", str(merged)))
    for kind in args.types:
        say(f"converting to {kind}")
        target = ["--outtype", kind, "--outfile", str(folder / f"{kind}.gguf")]
        _run([sys.executable, str(args.converter), str(merged), *target])


def figures(run: Path) -> dict[str, Any]:
    """Metrics of a run, and its texts by turn."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    model = next(iter(metrics["models"].values()))
    texts = {outcome.turn_id: outcome.answer.text for outcome in read_outcomes(run / "outcomes.jsonl")}
    return {"metrics": {key: model["metrics"][key]["value"] for key in TOLD}, "texts": texts}


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument(
        "--converter", required=True, type=Path, metavar="FILE", help="llama.cpp's convert_hf_to_gguf.py"
    )
    parser.add_argument("--llama", required=True, metavar="PYTHON", help="one that has xllamacpp")
    parser.add_argument("--types", nargs="+", default=["bf16", "q8_0"], metavar="TYPE", help="(default bf16 q8_0)")
    parser.add_argument("--limit-sessions", type=positive, default=6, metavar="N", help="(default %(default)s)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep models and runs here; what is there is taken")
    args = parser.parse_args()
    if not args.converter.is_file():
        raise UserError(args.converter, "is no file", "see --help for where it can be had")
    if subprocess.run([shutil.which(args.llama) or "false", "-c", "import xllamacpp"], check=False).returncode:
        raise UserError(args.llama, "is no Python that has xllamacpp", "see --help for where it can be had")
    found: dict[str, dict[str, Any]] = {}
    with nullcontext(args.work) if args.work else tempfile.TemporaryDirectory(prefix="callproof-merged-") as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_models(args, folder)
        for each in ("transformers", "merged", "vLLM", *(f"GGUF {kind}" for kind in args.types)):
            found[each] = figures(run_of(each, args, folder))
    expected = found["transformers"]["texts"]
    for each, value in found.items():
        texts = value.pop("texts")
        value["same"] = sum(texts.get(turn) == text for turn, text in expected.items())
        shown = ", ".join(f"{key} {number:.3f}" for key, number in value["metrics"].items() if number is not None)
        print(f"{each}: {shown}; {value['same']} of {len(expected)} texts are those of transformers")
    last_line({"turns": len(expected), "arms": found})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
