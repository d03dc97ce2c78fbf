"""What the documents name is there, and what the table of the seeds says can be typed is taken."""

import ast
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import pytest

from callproof.__main__ import package_of
from callproof.config import RunConfig, resolve
from callproof.console import with_verb

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ("commands.md", "configuration-keys.md", "metrics.md", "exit-codes.md")
"""Pages that the docs site makes of the code, see docs/hooks.py."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SEEDS = ROOT / "docs" / "explanation" / "seeds.md"
TEST = r"(?<![\w/])(?:tests/)?((?:[a-z_0-9]+/)*test_[a-z_0-9]+\.py)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    names = re.findall(rf"{TEST}(?:::(test_\w+))?", page.read_text())
    assert [name for name in names if not is_there(*name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists() and Path(link).name not in GENERATED] == []


def is_there(file: str, function: str) -> bool:
    return (ROOT / "tests" / file).is_file() and (not function or function in functions(file))


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(seed, feature, command, test) of each row of the table."""
    for line in SEEDS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"00\d", cells[0]):
            seed, feature, command, test = cells
            yield seed, feature, command, test


def spans(beginning: str) -> list[str]:
    """The pieces of code in the column of commands that match, each once."""
    code = [span for _, _, command, _ in rows() for span in re.findall(r"`([^`]+)`", command)]
    return [*dict.fromkeys(span for span in code if re.match(beginning, span))]


def test_each_test_of_the_seeds_is_there() -> None:
    named = [(test, re.findall(rf"{TEST}::(test_\w+)", test)) for _, _, _, test in rows()]
    assert [test for test, names in named if not names or not all(is_there(*name) for name in names)] == []


def test_the_five_seeds_are_listed_in_order_and_nothing_is_halfway() -> None:
    seeds = [seed for seed, _, _, _ in rows()]
    assert seeds == sorted(seeds)
    assert set(seeds) == {"000", "001", "002", "003", "004"}
    assert len(seeds) >= 120
    assert not re.search(r"\bpartial", SEEDS.read_text(), re.IGNORECASE)
    assert all(command for _, _, command, _ in rows())


@pytest.mark.parametrize("command", spans(r"(?:[A-Z_]+=\S* )*(?:callproof|kkit-lora-server) "))
def test_each_command_of_the_seeds_is_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setitem(os.environ, name, value)
    program, *rest = words
    verb, *rest = ["train", "service", *rest] if program == "kkit-lora-server" else rest
    table = import_module(f"{package_of(verb)}.cli").VERB
    named = with_verb(f"callproof {verb}", rest, tuple(table.commands), table.default)
    parse = partial(table.parser().parse_args, named)
    if "--help" in rest:
        with pytest.raises(SystemExit, match="0"):
            parse()
        return
    args = parse()
    config = getattr(args, "config", None)
    for path in config if isinstance(config, list) else filter(None, [config]):
        resolve(RunConfig, path, args.overrides)
    files = [word for word in rest if word.startswith(("configs/", "datasets/", "docs/", "models/"))]
    assert [file for file in files if not Path(file).exists()] == []


@pytest.mark.parametrize("setting", spans(r"[a-z_]+(\.[a-z_]+)*=\S"))
def test_each_setting_of_the_seeds_is_taken(setting: str) -> None:
    resolved = resolve(RunConfig, ROOT / "configs" / "car_sales.yaml", shlex.split(setting))
    assert set(resolved.sources.values()) & {"command line"}
