"""`callproof init`: what it asks on a terminal, and the domain that it writes where there are no logs yet."""

import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callproof.console import number
from callproof.errors import UserError

from .configuration import BASE, CONFIG, starting_configuration
from .domain import check_empty, write_texts
from .settings import GPU_GIB, settings_for

EXAMPLE = "example.jsonl"
_SYSTEM = """\
You answer for EXAMPLE COMPANY. Be brief.

## Calls
- Ask for required arguments that are missing.
- Leave out what the customer did not mention.
"""
_TOOL = {
    "type": "function",
    "function": {
        "name": "example_tool",
        "description": "What it does, in a sentence that tells when to call it.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "What goes in."}, "nights": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
_SESSION = {
    "session_id": "example-0001",
    "messages": [
        {"role": "user", "content": "Anything free in Bern for two nights?"},
        {"role": "assistant", "tool_calls": [{"name": "example_tool", "arguments": {"city": "Bern", "nights": 2}}]},
        {"role": "tool", "name": "example_tool", "content": '{"free": 3}'},
        {"role": "assistant", "content": "Three rooms are free in Bern for two nights."},
    ],
}


def take_answers(args: Namespace) -> None:
    """Fill in what the command line left open: ask on a terminal, else take defaults.

    Raises:
        UserError: no folder was named, and nobody can be asked.
    """
    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    if args.base is None:
        args.base = _answer(ask, "base model, a folder or hub id", BASE, str)
    if args.log is None:
        args.log = _answer(ask, "logs, as files, folders or globs (none: a domain to fill in)", "", str).split()
    if args.gpu_memory is None:
        args.gpu_memory = _answer(ask, "memory of the GPU in GiB (0: no GPU)", f"{GPU_GIB:g}", number(0))
    if args.out is None:
        if ask is None:
            raise UserError("callproof init", "no folder is named", "give --out DIR, a new or empty folder")
        args.out = _answer(ask, "folder of the domain", "datasets/mine", Path)


def _answer(ask: Callable[[str], str] | None, question: str, default: str, kind: Callable[[str], Any]) -> Any:
    text = ask(f"{question} [{default}]: ").strip() if ask else ""
    try:
        return kind(text or default)
    except ArgumentTypeError as error:
        raise UserError(question, f"{error}, got {text!r}", "answer again: callproof init") from None


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line


def empty_domain(out: Path, base: str, gpu_gib: float) -> list[str]:
    """Write a domain to be filled in; returns what is left to do, a line each.

    Raises:
        UserError: the folder holds something.
    """
    check_empty(out)
    write_texts(
        out,
        {
            "system_prompt.md": _SYSTEM,
            "tools.json": json.dumps([_TOOL], indent=2) + "\n",
            EXAMPLE: json.dumps(_SESSION) + "\n",
            CONFIG: starting_configuration(out, base, settings_for(base, gpu_gib)),
        },
    )
    return [
        f"{out / 'system_prompt.md'}: write what the assistant is told",
        f"{out / 'tools.json'}: list your tools in place of the example",
        f"{out / 'train.jsonl'}, {out / 'eval.jsonl'}: write sessions, a line each, in the form of {EXAMPLE}",
        f"then: callproof train check --config {out / CONFIG}",
    ]
