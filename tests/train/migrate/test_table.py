"""The table of keys in docs/howto/migrate.md is what the rules do."""

from collections.abc import Iterator
from typing import Any

import pytest
from programs import ROOT

from callproof.errors import UserError
from train.migrate.others import OTHERS
from train.migrate.rules import Draft, System
from train.migrate.seeds import SYSTEMS

NAMES: dict[str, System] = dict(
    zip(("000", "001", "002", "003", "004", "axolotl", "LLaMA-Factory", "TRL"), (*SYSTEMS, *OTHERS), strict=True)
)
VALUES: tuple[Any, ...] = (
    "x",
    4,
    True,
    ["x"],
    {"method": "load_dataset", "kwargs": {"path": "x/y"}},
    "epoch",
    "qlora",
    "t.jinja",
)


def rows() -> Iterator[tuple[str, list[str], str]]:
    """System, keys, and what becomes of them."""
    for line in (ROOT / "docs/howto/migrate.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0] in NAMES and cells[1].startswith("`") and "*`" not in cells[1]:
            yield cells[0], [key.strip("` ") for key in cells[1].split(",")], cells[2]


def becomes(system: System, key: str) -> set[str]:
    """Where a rule puts values of many types, or for what reason it drops them."""
    told: set[str] = set()
    for value in VALUES:
        draft = Draft({})
        try:
            system.rules[key](draft, key, value)
        except (UserError, AttributeError, TypeError):
            continue  # no value of this key
        told |= {f"`{move.key}`" if move.key else f"dropped: {move.note}" for move in draft.moves}
    return told


@pytest.mark.parametrize("name", NAMES)
def test_what_the_table_says_of_a_key_becomes_of_it(name: str) -> None:
    system = NAMES[name]
    said = {key: what for row, keys, what in rows() if row == name for key in keys}
    assert set(said) == set(system.rules)
    assert {key: what for key, what in said.items() if what not in becomes(system, key)} == {}
