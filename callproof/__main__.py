"""From recorded tool-calling sessions to a LoRA adapter that you can trust in production.

verbs:
  callproof train       sessions -> checked rows -> an adapter with a manifest
  callproof serve       configurations and adapters -> one checked vLLM server
  callproof evaluate    eval turns -> judged answers -> metrics, report and gate
  callproof bench       eval turns as load -> latency, throughput, correct calls a second

Each verb has its own manual: callproof evaluate --help. In a checkout, `python -m evaluate` is the same command.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from callproof.console import with_verb
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
    if words[0].startswith("-"):
        raise UserError(f"callproof {words[0]}", "is no verb", f"begin with one of: {', '.join(VERBS)}")
    verb = with_verb("callproof", words, VERBS, VERBS[0])[0]
    return import_module(f"{package_of(verb)}.cli").main(words[1:])


def package_of(verb: str) -> str:
    """Where a verb is imported from: under callproof where that is installed, beside it in a bare checkout."""
    return f"callproof.{verb}" if find_spec(f"callproof.{verb}") else verb


def run() -> None:
    """The console script `callproof`."""
    exit_with(main)


def run_training_service() -> None:
    """The console script `kkit-lora-server`: the service of that name, with its options."""
    exit_with(lambda: main(["train", "service", *sys.argv[1:]]))


if __name__ == "__main__":
    run()
