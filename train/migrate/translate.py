"""Old files to a draft: read, told apart, and each key moved by its rule."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from dotenv.parser import parse_stream

from callproof.errors import UserError
from callproof.records import read_text

from .arguments import argument
from .others import OTHERS
from .rules import DEFAULT, Draft, Move, Rule, System, to
from .seeds import SYSTEMS

ENVIRONMENT = {"MODEL_ID": "model.base_model"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def migrate(files: Sequence[Path], data: str | None = None) -> tuple[str, Draft]:
    """The name of the old system, and the draft of the configuration.

    Args:
        files: YAML, JSON or `.env`; several make one configuration.
        data: where the training sessions are, in place of what the files say.

    Raises:
        UserError: a file that cannot be read, of no known system, or keys that its table does not know (all of them).
    """
    old: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for path in files:
        if path.suffix in (".yaml", ".yml", ".json"):
            old |= _read(path)
        else:
            variables |= _dotenv(path)
    old |= _lab_keys(variables)
    system = _system(old, files)
    draft = Draft(_flat(old, system))
    for key, value in draft.old.items():
        _apply(system, draft, key, value)
    _variables(draft, variables)
    _defaults(system, draft)
    if draft.unknown:
        problem = f"unknown keys of {system.name}: {', '.join(draft.unknown)}"
        raise UserError(
            ", ".join(map(str, files)), problem, "take them out, and see docs/howto/migrate.md for what is known"
        )
    if data:
        draft.put("data.train", data if data.startswith(("/", "./", "hf:")) else f"./{data}", note="--data")
    system.finish(draft)
    _rhythm(draft)
    return system.name, draft


def _read(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(read_text(path)) if path.suffix != ".json" else json.loads(read_text(path))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(path, f"cannot be read ({' '.join(str(error).split())[:200]})", "mend the file") from None
    if not isinstance(value, dict):
        raise UserError(path, f"expected a mapping, got {type(value).__name__}", "give a configuration")
    config = value.get("config")
    return {**config, **({"file": value["file"]} if "file" in value else {})} if isinstance(config, dict) else value


def _dotenv(path: Path) -> dict[str, str]:
    bindings = parse_stream(io.StringIO(read_text(path)))
    return {binding.key: binding.value or "" for binding in bindings if binding.key}


def _lab_keys(variables: dict[str, str]) -> dict[str, Any]:
    """`LLM_MODEL__BASE_MODEL=x` of seed 000 as {"model": {"base_model": x}}."""
    tree: dict[str, Any] = {}
    for name, text in variables.items():
        if name.startswith("LLM_") and "__" in name:
            section, key = name.removeprefix("LLM_").lower().split("__", 1)
            tree.setdefault(section, {})[key] = yaml.safe_load(text)
    return tree


def _numbers(value: Any) -> Any:
    """YAML 1.1 reads 2e-4 as text; transformers makes a number of it."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _system(old: dict[str, Any], files: Sequence[Path]) -> System:
    known = (*SYSTEMS, *OTHERS)
    paths = set(_paths(old))
    likely = [system for system in known if any(paths.issuperset(group) for group in system.signs)]
    if likely:
        return min(likely, key=lambda system: sum(_rule(system, key) is None for key in _flat(old, system)))
    names = ", ".join(system.name for system in known)
    listed = ", ".join(list(old)[:8]) or "none"
    problem = f"is of no known system, its keys are {listed}"
    raise UserError(", ".join(map(str, files)), problem, f"known ones: {names}")


def _paths(tree: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{key}.")


def _flat(tree: dict[str, Any], system: System, above: str = "") -> dict[str, Any]:
    """Dotted key -> value; a mapping stays whole at the top of flat systems, and where it has a rule."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{above}{key}"
        nested = isinstance(value, dict) and path not in system.rules and not key.endswith(("_kwargs", "_config"))
        if nested and not (not system.by_leaf and "" in system.arguments):
            flat |= _flat(value, system, f"{path}.")
        else:
            flat[path] = _numbers(value)
    return flat


def _rule(system: System, key: str) -> Rule | None:
    rule = system.rules.get(key.rsplit(".", 1)[-1] if system.by_leaf else key)
    if rule is None and key.startswith(system.arguments):
        return argument
    return rule


def _apply(system: System, draft: Draft, key: str, value: Any) -> None:
    rule = _rule(system, key) if system.arguments or key in system.rules else None
    if rule is None:
        draft.unknown.append(key)
    else:
        rule(draft, key, value)


def _variables(draft: Draft, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        if name in ENVIRONMENT and value:
            to(ENVIRONMENT[name], note="stands above the old YAML file")(draft, name, value)
        elif not name.startswith("LLM_"):
            secret = "stays in .env: callproof reads HF_*, WANDB_* and TRACKIO_* there"
            draft.drop(name, "..." if value else "", secret)


def _defaults(system: System, draft: Draft) -> None:
    """Write out what the old system takes where its file says nothing."""
    leaves = {key.rsplit(".", 1)[-1] for key in draft.old} if system.by_leaf else set(draft.old)
    for key, value in system.defaults.items():
        rule = _rule(system, key)
        if key in leaves or rule is None:
            continue
        before = len(draft.moves)
        known = set(draft.values)
        rule(draft, key, value)
        made = draft.moves[before:]
        del draft.moves[before:]
        draft.moves += [_default(move) for move in made if move.key not in known]


def _default(move: Move) -> Move:
    note = "; ".join(filter(None, ("the old default", move.note)))
    return move._replace(old=f"{move.old} {DEFAULT}", note=note)


def _rhythm(draft: Draft) -> None:
    """The best step has a checkpoint by itself; steps of another rhythm would contradict it."""
    if "train.metric_for_best_model" in draft.values:
        kept = []
        for move in draft.moves:
            follows = move.key in ("train.save_steps", "train.save_strategy")
            note = "checkpoints follow train.metric_for_best_model"
            kept.append(move._replace(key=None, note=note) if follows else move)
        draft.moves[:] = kept
