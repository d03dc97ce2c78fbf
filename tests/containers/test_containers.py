"""The container files keep the published rules and start commands that exist; no engine runs here to build them.

Compose: the Compose Specification, as far as its keys are used. Dockerfile: hadolint's rules of these numbers.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import ROOT
from platform_schemas import COMPOSE, TEXT, TEXTS, closed

from callproof.console import with_verb
from serve.cli import VERB as SERVE
from train.cli import VERB as TRAIN

_DEFAULT = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")
_OURS = COMPOSE["properties"]["services"]["patternProperties"]["^[a-zA-Z0-9._-]+$"]["properties"]
SERVICE = closed(
    **{
        **_OURS,
        "command": {"type": "array", "items": {"type": "string", "pattern": r"^([^$]|\$\{[A-Z_]+:-[^}$]*\})*$"}},
        "build": closed(context=TEXT, target={"enum": ["cpu", "cuda"]}, args={"type": "object"}),
        "container_name": {"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9_.-]+$"},
        "depends_on": {"type": "object", "additionalProperties": closed(condition={"const": "service_healthy"})},
        "init": {"type": "boolean"},
        "network_mode": {"enum": ["host"]},
        "profiles": {**TEXTS, "uniqueItems": True},
    }
)
FILE = {
    **closed(
        ("services",),
        services={"type": "object", "additionalProperties": SERVICE},
        volumes=COMPOSE["properties"]["volumes"],
    ),
    "patternProperties": {"^x-": {}},
}


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """(instruction, its words) of the Dockerfile, continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, those of the stage it begins from before its own."""
    made: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            made[name] = list(made.get(source, []))
        made[name].append((word, rest))
    return made


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_a_compose_file_keeps_the_rules_of_compose(name: str) -> None:
    jsonschema.validate(document(name), FILE)
    assert set(document(name)["services"]) == {"dev", "train", "serve", "service", "ui"}


@pytest.mark.parametrize(("name", "act"), [("train", "run"), ("serve", "start"), ("service", "service"), ("ui", "ui")])
def test_each_service_starts_a_command_that_exists(name: str, act: str) -> None:
    verb_name, *words = [
        _DEFAULT.sub(r"\1", word) for word in document("docker-compose.yml")["services"][name]["command"]
    ]
    verb = {"train": TRAIN, "serve": SERVE}[verb_name]
    args = verb.parser().parse_args(with_verb(f"callproof {verb_name}", words, tuple(verb.commands), verb.default))
    assert args.command == act
    for config in [getattr(args, "config", None)]:
        paths = config if isinstance(config, list) else [config] if config else []
        assert all((ROOT / path).is_file() for path in paths)


def test_what_listens_does_so_on_the_loopback_of_this_machine() -> None:
    services = document("docker-compose.yml")["services"]
    for name in ("serve", "service", "ui"):
        assert services[name]["network_mode"] == "host"
        assert "ports" not in services[name]
    words = services["serve"]["command"]
    assert words[words.index("--host") + 1] == "127.0.0.1"


def test_the_source_is_mounted_where_the_image_installed_it() -> None:
    mounts = document("docker-compose.yml")["services"]["dev"]["volumes"]
    assert {"type": "bind", "source": ".", "target": "/app"} in mounts
    assert ("WORKDIR", "/app") in stages()["cpu"]
    assert document("docker-compose.yml")["services"]["dev"]["container_name"] == "callproof-dev"


def test_stages_begin_from_a_pinned_tag_or_from_each_other() -> None:
    """DL3006, DL3007."""
    for word, rest in instructions():
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            assert name
            assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", source) or source in stages()


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_stage_ends_as_a_user_without_rights(name: str) -> None:
    """DL3002."""
    users = [rest for word, rest in stages()[name] if word == "USER"]
    assert users[-1] == "callproof"


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_entry_and_command_are_lists_of_words(name: str) -> None:
    """DL3025, DL4003, DL4004."""
    for word in ("ENTRYPOINT", "CMD"):
        (words,) = (rest for other, rest in stages()[name] if other == word)
        assert isinstance(yaml.safe_load(words), list)


def test_packages_are_installed_without_leftovers() -> None:
    """DL3009, DL3015, DL3042, DL3020 and DL3027."""
    for word, rest in instructions():
        assert word != "ADD"
        assert "sudo" not in rest.split()
        assert not (word == "RUN" and re.search(r"\bapt (install|update)\b", rest))
        for command in rest.split("&&") if word == "RUN" else ():
            words = shlex.split(command)
            if words[:2] == ["apt-get", "install"]:
                assert {"-y", "--no-install-recommends"} <= set(words)
                assert "rm -rf /var/lib/apt/lists/*" in rest
            if words[:2] == ["pip", "install"]:
                assert "--no-cache-dir" in words


def test_the_image_installs_the_pinned_versions_and_the_extras_that_exist() -> None:
    runs = {name: " ".join(rest for word, rest in stages()[name] if word == "RUN") for name in ("cpu", "cuda")}
    assert "--no-deps --requirement constraints.txt" in runs["cpu"]
    assert "--constraint constraints.txt" in runs["cuda"]
    torch = re.search(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert torch
    assert f"'torch=={torch[1]}+cpu'" in runs["cpu"]
    extras = re.search(r"'\.\[(.+?)\]'", runs["cuda"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])


def test_secrets_and_outputs_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", ".venv", "outputs", "runs"} <= set(ignored)
    assert not any(Path(ROOT / name).suffix == ".md" for name in ignored)  # setuptools reads README.md
