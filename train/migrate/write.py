"""The draft as YAML with a comment on every key, and as a table for people."""

from typing import Any

from callproof.config import RunConfig, one_line

from .rules import NEW, Draft, Move

_WIDTH = 48


def nested(draft: Draft) -> dict[str, Any]:
    """The values as sections, for validation."""
    tree: dict[str, Any] = {}
    for key, value in draft.values.items():
        *sections, last = key.split(".")
        at = tree
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value
    return tree


def as_yaml(system: str, draft: Draft) -> str:
    """The configuration; comments say where each value comes from, and at the top what was dropped."""
    lines = [f"# From a configuration of {system}, by `callproof train migrate`."]
    if gone := [move for move in draft.moves if move.key is None]:
        lines += ["#", "# Not carried over:"]
        lines += [f"#   {move.old}: {one_line(move.old_value)[:60]} - {move.note}" for move in gone]
    lines.append("")
    moves = {move.key: move for move in draft.moves if move.key}
    lines += _section(nested(draft), moves, "", 0)
    return "\n".join(lines) + "\n"


def _section(tree: dict[str, Any], moves: dict[str, Move], above: str, depth: int) -> list[str]:
    order = list(RunConfig.model_fields)
    names = sorted(tree, key=order.index) if depth == 0 else list(tree)
    lines: list[str] = []
    for name in names:
        key, indent = f"{above}{name}", "  " * depth
        if key in moves:
            lines.append(f"{indent + name + ': ' + one_line(tree[name]):<{_WIDTH}}  # {_comment(moves[key])}")
        else:
            lines += [f"{indent}{name}:", *_section(tree[name], moves, f"{key}.", depth + 1)]
    return lines


def _comment(move: Move) -> str:
    said = "" if move.old == NEW else move.old.removesuffix(" (default)")
    return ": ".join(filter(None, (said, move.note))) or move.old


def as_table(draft: Draft) -> str:
    """Old key, new key and value, and a word on it; one line each."""
    rows = [("old", "new", "")]
    for move in draft.moves:
        new = f"{move.key}: {one_line(move.value)[:60]}" if move.key else "-"
        rows.append((move.old, new, move.note))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{old:<{widths[0]}}  {new:<{widths[1]}}  {note}".rstrip() for old, new, note in rows)
