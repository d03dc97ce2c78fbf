"""What `callproof serve` takes; serve/commands.py does it, imported when it runs."""

import argparse
from pathlib import Path

from callproof.console import Act, Command, Verb, add_config, count, late, number, port, positive
from callproof.errors import EXIT_FLOOR, EXIT_INCONCLUSIVE, EXIT_INVALID, EXIT_REGRESSION

DEFAULT_ENDPOINT = "http://127.0.0.1:8000"

_MANUAL = """Serve a base model and its adapters with vLLM, one server for all of them; check it; change its adapters.

Without a verb it starts a server: checks the configurations and adapters, writes vLLM's configuration, starts vLLM,
waits until it is healthy, prints `ready <url>` on standard output, and stops every process of it on Ctrl-C or SIGTERM.
A client picks an adapter by `model`. docs/howto/serving.md has the rules behind each verb.
"""
_EXAMPLES = """\
  callproof serve --config configs/car_sales.yaml --config configs/insurance.yaml
  callproof serve --adapter cars=outputs/car_sales --adapter cover=outputs/insurance --max-model-len 2048
  callproof serve --adapter cars=downloads/cars-4bit --base Qwen/Qwen3-4B-Instruct-2507   # trained on a copy of it
  callproof serve --config configs/car_sales.yaml serve.max_num_seqs=8
  callproof serve --config configs/car_sales.yaml --print       # the vLLM command line instead
  callproof serve --config configs/qwen3-4b.yaml --device gpu --compose docker-compose.yml
  callproof serve --config configs/qwen3-4b.yaml --device gpu --kserve llmisvc.yaml --store pvc://models/callproof
  callproof serve --config configs/qwen3-4b.yaml --device gpu --ray ray_serve.yaml --store s3://bucket/callproof
  callproof serve doctor --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml
  callproof serve explain --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml   # which layer broke it
  callproof serve chat --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml --model tiny
  callproof serve snippet --config configs/car_sales.yaml | sh       # one question, as an application would ask it
  callproof serve ui --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml
  callproof serve ui --model outputs/car_sales/adapter       # without a server: an adapter, a base or a merged model
  callproof serve --config configs/car_sales.yaml --runtime-loads 4
  callproof serve load car_sales outputs/car_sales && callproof serve list
  callproof serve promote car_sales outputs/next --config configs/car_sales.yaml --baseline car_sales
  callproof serve unload car_sales@0123456789ab
"""
_EXITS = {
    EXIT_REGRESSION: "a check failed, a layer differs, or a regression",
    EXIT_INVALID: "nothing can be judged, or no answer",
    EXIT_INCONCLUSIVE: "inconclusive",
    EXIT_FLOOR: "a floor of the gate is broken",
}
_NOTES = """
The last line of standard output is `ready <url>`, the command of --print, or one JSON object. An API key is taken from
VLLM_API_KEY (clients: CALLPROOF_API_KEY first), never from options or files.
"""


def _start(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--adapter", action="append", default=[], metavar="NAME=PLACE", help="output folder, adapter folder or hub id")
    add("--base", metavar="BASE", help="folder or hub id to serve on, whatever base an adapter names")
    add("--host", help="overrides serve.host")
    add("--port", type=port, help="overrides serve.port")
    add("--max-model-len", type=positive, metavar="N", help="tokens, overrides serve.max_model_len")
    add("--tool-call-parser", metavar="NAME", help="vLLM's parser of calls, overrides serve.tool_call_parser")
    add("--runtime-loads", type=count, default=0, metavar="N", help="room for N adapters loaded while it runs (0)")
    add("--log", type=Path, default=Path("outputs/serve/vllm.log"), help="vLLM's log; vllm.yaml is beside it")
    add("--timeout", type=positive, default=1800, metavar="SECONDS", help="for the start (1800)")
    add("--print", action="store_true", help="print the equivalent vLLM command line, start nothing")
    add("--write", type=Path, metavar="FILE", help="write vLLM's configuration file, start nothing")
    add("--compose", type=Path, metavar="FILE", help="write a Docker Compose file, start nothing")
    add("--kserve", type=Path, metavar="FILE", help="write a KServe LLMInferenceService, start nothing")
    add("--ray", type=Path, metavar="FILE", help="write a Ray Serve LLM application, start nothing")
    add("--store", metavar="URI", help="where a cluster finds this machine's models: pvc://, s3://, gs://, ...")
    add("--device", choices=("cpu", "gpu"), help="what is written for; default: that of the vLLM installed here")
    add_config(parser, "one per adapter; repeat it", required=False, several=True)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    add = parser.add_argument
    add("--model", action="append", default=[], metavar="NAME", help="a further adapter on it; repeat it")
    add("--turns", type=positive, default=16, metavar="N", help="eval turns asked of each model (16)")
    add_config(parser, "as the server was started with; repeat it", several=True)


def _explain(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", metavar="URL", help="of a running server (default: one is started for it)")
    add("--model", metavar="NAME", help="served name of the adapter (default: the name of the configuration)")
    add("--limit-turns", type=positive, default=8, metavar="N", help="eval turns asked of each arm (%(default)s)")
    add("--log", type=Path, default=Path("outputs/serve/explain.log"), help="vLLM's log, if one is started")
    add("--timeout", type=positive, default=1800, metavar="SECONDS", help="for the start (%(default)s)")
    add_config(parser, "what the adapter was trained with")


def _chat(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)
    add = parser.add_argument
    add("--model", metavar="NAME", help="a served name (default: the name of the configuration)")
    add("--session-id", type=_filled, metavar="ID", help="fixes date and order in the prompt (default: a new one)")
    add("--system", type=Path, metavar="FILE", help="a system prompt to show as it stands, in place of the domain's")
    add("--max-tokens", type=positive, metavar="N", help="of an answer, overrides eval.max_tokens")
    add("--temperature", type=number(0), metavar="T", help="overrides eval.temperature")
    add_config(parser, "its domain, prompt and eval sections are used")


def _snippet(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", metavar="URL", help="default: `serve` of --config")
    add("--as", dest="language", choices=("curl", "python"), default="curl", help="curl, or the openai package (curl)")
    add("--ask", metavar="TEXT", help="what the user says (default: how the first eval session begins)")
    add_config(parser, "its name, domain, prompt and eval sections are used")


def _ui(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", metavar="URL", help=f"default: {DEFAULT_ENDPOINT}")
    add("--model", "--model_path", action="append", default=[], metavar="NAME",
        help="left, then right (default: base and adapter); or a folder, without a server")  # fmt: skip
    parser.set_defaults(default_endpoint=DEFAULT_ENDPOINT)
    add("--port", type=port, default=7860, help="of the page, on 127.0.0.1 (%(default)s)")
    add_config(parser, "its domain, prompt and eval sections are used; not needed with a folder", required=False)


def _list(parser: argparse.ArgumentParser) -> None:
    _endpoint(parser)


def _load(parser: argparse.ArgumentParser) -> None:
    _adapter(parser)


def _unload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as `list` shows it")
    _endpoint(parser)


def _promote(parser: argparse.ArgumentParser) -> None:
    _adapter(parser)
    add = parser.add_argument
    add("--baseline", required=True, metavar="RUN", help="a run's folder or id, or the name of a blessed run")
    add("--limit-sessions", type=positive, metavar="N", help="evaluate the first N eval sessions only")
    add("--turns", type=positive, default=16, metavar="N", help="eval turns that the checks ask (16)")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (runs)")
    add_config(parser, "base, eval turns and gate")


def _adapter(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="of the adapter; it is loaded as NAME@<hash of its files>")
    add("path", metavar="PATH", help="output folder or adapter folder")
    add("--versions", type=Path, default=Path("outputs/versions"), metavar="DIR", help="copies that the server reads")
    _endpoint(parser)


def _endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT, metavar="URL", help="default: %(default)s")


def _filled(text: str) -> str:
    if not (text.strip() and text.isprintable()):
        raise argparse.ArgumentTypeError("expected one line of printable text")
    return text


def _act(command: str) -> Act:
    return late(f"{__package__}.commands", f"run_{command}")


VERB = Verb(
    name="serve",
    manual=_MANUAL,
    default="start",
    exits=_EXITS,
    examples=_EXAMPLES,
    notes=_NOTES,
    commands={
        "start": Command("start a server, or write it for another platform", _start, _act("start")),
        "doctor": Command(
            "check a running server: isolation, channels, streaming, cache, limits", _doctor, _act("doctor")
        ),
        "explain": Command("which layer between training and client changes the answers", _explain, _act("explain")),
        "chat": Command(
            "talk to a served model in the terminal; its calls are checked as they form", _chat, _act("chat")
        ),
        "snippet": Command("print a request to it, as an application would send it", _snippet, _act("snippet")),
        "ui": Command("talk to two served models, or one in a folder, on a web page", _ui, _act("ui")),
        "list": Command("the base and adapters that a running server has", _list, _act("list")),
        "load": Command("load an adapter under a name that holds its content's hash", _load, _act("load")),
        "unload": Command("make a running server forget an adapter", _unload, _act("unload")),
        "promote": Command(
            "load, check, evaluate and gate an adapter; then give it the name", _promote, _act("promote")
        ),
    },
)
main = VERB.main
