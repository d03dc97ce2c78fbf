"""Pages of the docs site that are made of the code, and links that lead out of the docs."""

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from callproof.__main__ import VERBS, package_of
from callproof.config import RunConfig
from callproof.console import Verb
from callproof.console.completion import COMPLETION
from callproof.console.verb import COMMON_EXITS
from callproof.errors import EXIT_BROKEN_PIPE, EXIT_PASS
from callproof.scoring import METRICS

_OUT = re.compile(r"\[([^\]]+)\]\((?:\.\./)+((?!docs/)[^)]*)\)")

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", NoneType: "null"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, each in the place of the nav that names it."""
    places = {path.rsplit("/", 1)[-1]: path for path in _paths(config.nav)}
    for name, text in (
        ("commands.md", commands_page()),
        ("configuration-keys.md", keys_page()),
        ("metrics.md", metrics_page()),
        ("exit-codes.md", exits_page()),
    ):
        files.append(File.generated(config, places[name], content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository lead to its web page where it is known, and are plain names where not."""
    root = f"{config.repo_url.rstrip('/')}/blob/main/" if config.repo_url else ""

    def replaced(match: re.Match[str]) -> str:
        inside = files.get_file_from_path(_resolved(page.file.src_uri, match[0]))
        if inside:
            return match[0]
        return f"[{match[1]}]({root}{match[2]})" if root else f"`{match[1]}`"

    return _OUT.sub(replaced, markdown)


def _resolved(page: str, link: str) -> str:
    """The path in the docs that a link of a page names."""
    parts = page.split("/")[:-1]
    for part in link.rpartition("(")[2].rstrip(")").partition("#")[0].split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _paths(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _paths(item)


def _verbs() -> dict[str, Verb]:
    return {name: import_module(f"{package_of(name)}.cli").VERB for name in VERBS}


def commands_page() -> str:
    """Every command with its help, as argparse prints it."""
    parts = ["# Commands\n\nAs `--help` prints it, made of the same tables.\n"]
    init = import_module(f"{package_of('train')}.cli").INIT
    for alone in (init, COMPLETION):
        parts.append(f"## callproof {alone.name}\n\n{_fenced(alone.parser().format_help())}")
    for name, verb in _verbs().items():
        parser = verb.parser()
        parts.append(f"## callproof {name}\n\n{_fenced(parser.format_help())}")
        for command, options in _subparsers(parser).items():
            parts.append(f"### callproof {name} {command}\n\n{_fenced(options.format_help())}")
    return "\n".join(parts)


def _subparsers(parser: Any) -> Mapping[str, Any]:
    return next(action.choices for action in parser._actions if action.dest == "command")


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def keys_page() -> str:
    """Every key of a configuration with type, default and meaning, a table a section."""
    said = "Made of the schema that checks them. `callproof train config --config FILE` prints the values of a run."
    parts = [f"# Keys of the configuration\n\n{said}\n"]
    plain = {name: field for name, field in RunConfig.model_fields.items() if not _model(field)}
    parts.append(f"## At the top\n\n{_table(plain)}")
    for name, field in RunConfig.model_fields.items():
        if model := _model(field):
            parts.append(f"## {name}\n\n{inspect.getdoc(model)}\n\n{_table(model.model_fields)}")
    return "\n".join(parts)


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(fields: Mapping[str, FieldInfo], prefix: str = "") -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"] if not prefix else []
    for name, field in fields.items():
        if model := _model(field):
            rows.append(_table(model.model_fields, f"{prefix}{name}."))
            continue
        default = "required" if field.is_required() else _code(field.get_default(call_default_factory=True))
        limits = ", ".join(_limit(limit) for limit in field.metadata if _limit(limit))
        kind = _escaped(_kind(field.annotation)) + (f", {limits}" if limits else "")
        rows.append(f"| `{prefix}{name}` | {kind} | {default} | {_escaped(field.description or '')} |")
    return "\n".join(rows) + ("" if prefix else "\n")


def _kind(annotation: Any) -> str:
    """A type in words: `text or null`, `list of text`, `a, b or c`."""
    arguments = [part for part in get_args(annotation) if part is not ...]
    if hasattr(annotation, "__metadata__"):
        return _kind(arguments[0])
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_kind, arguments)))
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    return "map" if origin is dict else _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limit(limit: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return next((f"{sign} {getattr(limit, name)}" for name, sign in signs.items() if hasattr(limit, name)), "")


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else _plain(value)}`".replace("|", "\\|")


def _plain(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def metrics_page() -> str:
    """Every metric with its definition."""
    rows = "\n".join(
        f"| `{name}` | {'higher' if metric.higher_is_better else 'lower'} | {_escaped(metric.description)} |"
        for name, metric in METRICS.items()
    )
    said = "Intervals are 95 %, clustered by session. A metric whose bottom is 0 is undefined: null, never 0 or 1."
    return f"# Metrics\n\n{said}\n\n| metric | better | is |\n|---|---|---|\n{rows}\n"


def exits_page() -> str:
    """What each exit code means, by verb."""
    parts = ["# Exit codes\n\nOf every command:\n"]
    everywhere = {EXIT_PASS: "done", **COMMON_EXITS, EXIT_BROKEN_PIPE: "the reader of standard output has gone"}
    parts.append(_codes(everywhere))
    for name, verb in _verbs().items():
        parts.append(f"## callproof {name}\n\n{_codes(verb.exits)}")
    return "\n".join(parts)


def _codes(exits: Mapping[int, str]) -> str:
    rows = "".join(f"| {code} | {' '.join(meaning.split())} |\n" for code, meaning in sorted(exits.items()))
    return f"| code | meaning |\n|---|---|\n{rows}"
