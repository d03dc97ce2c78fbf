"""The package as it is installed: one top-level name, all its files, and every library it imports declared."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from built_wheel import FLOORS, built_wheel
from programs import ROOT

LAID_OUT = {"vllm"}
"""Imported by no floor itself, only by the Python that `train` asks what vLLM takes."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(built_wheel(tmp_path_factory.mktemp("wheel")))


def test_a_wheel_owns_one_top_level_name(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0].removesuffix("-0.1.0.dist-info") for name in wheel.namelist()} == {"callproof"}


def test_a_wheel_holds_every_module_and_what_pages_and_lessons_are_made_of(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = subprocess.run(["git", "ls-files", *FLOORS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    laid = {name if name.startswith("callproof/") else f"callproof/{name}" for name in files.splitlines()}
    assert names == laid


def test_a_wheel_has_the_licence_and_the_console_script(wheel: zipfile.ZipFile) -> None:
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    scripts = wheel.read(entry).decode().splitlines()
    assert "callproof = callproof.__main__:run" in scripts
    assert "kkit-lora-server = callproof.__main__:run_training_service" in scripts
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def imported(floor: str) -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / floor).rglob("*.py"))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in plain | froms} - set(sys.stdlib_module_names) - set(FLOORS) - LAID_OUT


def declared() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return {"": _names(project["dependencies"]), "train": _names([*extras["train"], *extras["service"]])}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~!;\[ ]", text)[0].lower().replace("_", "-") for text in requirements}


@pytest.mark.parametrize("floor", FLOORS)
def test_every_library_that_is_imported_is_declared(floor: str) -> None:
    names = declared()
    known = names[""] | (names["train"] if floor == "train" else set())
    hub = {"huggingface-hub"} if floor in ("serve", "callproof") else set()  # where it is installed, for hub ids
    arrow = {"pyarrow"} if floor in ("callproof", "evaluate") else set()  # likewise, for Parquet and Zstandard
    optional = hub | arrow | ({"fsspec"} if floor == "callproof" else set())  # likewise, for URLs
    owners = packages_distributions()
    missing = {
        name
        for name in imported(floor)
        if not {owner.lower().replace("_", "-") for owner in owners[name]} & (known | optional | {"pydantic-core"})
    }
    assert not missing


def test_every_requirement_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    assert [text for text in requirements if "<" not in text and "==" not in text] == ["tzdata>=2025.2"]


def sources() -> list[Path]:
    return [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]


def test_no_folder_has_more_than_twelve_modules_and_no_file_more_than_400_lines() -> None:
    folders = Counter(path.parent for path in sources())
    assert {folder: count for folder, count in folders.items() if count > 12} == {}
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_functions_are_short_and_say_what_they_return() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sources())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [node.name for node in functions if node.returns is None] == []
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for node in functions)
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 30
    assert lengths[-1] <= 60
