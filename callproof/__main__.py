"""From recorded tool-calling sessions to a LoRA adapter that you can trust in production.

verbs:
  callproof train       sessions -> checked rows -> an adapter with a manifest
  callproof serve       configurations and adapters -> one checked vLLM server
  callproof evaluate    eval turns -> judged answers -> metrics, report and gate
  callproof bench       eval turns as load -> latency, throughput, correct calls a second

which command for which question:
  Where do I begin?                           callproof init
  I have logs; what can be learnt of them?    callproof train import LOGS --out datasets/mine
  Is my data fit for training?                callproof train check --config CONFIG
  Does it fit my GPU?                         callproof train --config CONFIG --dry-run --gpu 24
  Train it; serve it.                         callproof train --config CONFIG;  callproof serve --config CONFIG
  How does my application ask it?             callproof serve snippet --config CONFIG
  Does the server do what training showed?    callproof serve doctor --config CONFIG;  callproof evaluate parity ..
  How good is it?                             callproof evaluate --config CONFIG
  How good are answers that I have saved?     callproof evaluate score --turns .. --answers .. --out DIR
  May it replace the one in production?       callproof evaluate gate BASELINE CANDIDATE
  How fast is it?                             callproof bench --config CONFIG

Each verb has its own manual: callproof evaluate --help. `callproof --version` names what is installed, `callproof
completion SHELL` completes command lines. In a checkout, `python -m evaluate` is `callproof evaluate`.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from callproof.console import Standalone, Verb, with_verb
from callproof.errors import UserError, exit_with

VERBS = ("train", "serve", "evaluate", "bench")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit code.

    Raises:
        UserError: no verb or an unknown one, or what the verb raises.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0
    if words == ["--version"]:
        print(import_module(f"{package_of('serve')}.installed").described())
        return 0
    tables = _tables()
    if words[0].startswith("-"):
        raise UserError(f"callproof {words[0]}", "is no verb", f"begin with one of: {', '.join(tables)}")
    verb = with_verb("callproof", words, tuple(tables), VERBS[0])[0]
    return tables[verb]().main(words[1:])


def _tables() -> dict[str, Callable[[], Verb | Standalone]]:
    """First word of a command line -> what gives its table, which is imported then."""
    return {
        **{verb: partial(_attribute, f"{package_of(verb)}.cli", "VERB") for verb in VERBS},
        "init": partial(_attribute, f"{package_of('train')}.cli", "INIT"),
        "completion": partial(_attribute, "callproof.console.completion", "COMPLETION"),
    }


def _attribute(module: str, name: str) -> Verb | Standalone:
    return getattr(import_module(module), name)


def package_of(verb: str) -> str:
    """Where a verb is imported from: under callproof where that is installed, beside it in a bare checkout."""
    return f"callproof.{verb}" if find_spec(f"callproof.{verb}") else verb


def run() -> None:
    """The console script `callproof`."""
    if "_ARGCOMPLETE" in os.environ:
        import_module("callproof.console.completion").complete(_tables())
    exit_with(main)


def run_training_service() -> None:
    """The console script `kkit-lora-server`: the service of that name, with its options."""
    exit_with(lambda: main(["train", "service", *sys.argv[1:]]))


if __name__ == "__main__":
    run()
