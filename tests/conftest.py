"""Fixtures of the end-to-end tests: two adapters trained for a few steps, served with their base by one real vLLM."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import unused_port
from hypothesis import HealthCheck, settings
from programs import ROOT, run_program

STEPS = {"car_sales": 110, "insurance": 50}
"""As many as it takes to beat the base, and to differ from it."""
DOMAINS = tuple(STEPS)

# How long an example takes on a crowded machine says nothing of the code.
settings.register_profile("crowded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crowded")

# A shell's background job ignores Ctrl-C and so would every program that a test starts; a handler here undoes that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A test that trains in this process sets variables, HF_HUB_OFFLINE among them, that the next one would inherit."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() | before:
        if name != "PYTEST_CURRENT_TEST" and os.environ.get(name) != before.get(name):
            os.environ.pop(name, None)
            os.environ |= {name: before[name]} if name in before else {}


@dataclass(frozen=True)
class Deployment:
    """A running server, and the configurations (by name) of the adapters on it."""

    url: str
    configs: dict[str, Path]


def run_verb(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `python -m <arguments>` at the root of the repository and check its exit code."""
    done = run_program(*arguments)
    assert done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Configurations whose adapters were trained by the command line, for a few `STEPS` only."""
    folder = tmp_path_factory.mktemp("trained")
    configs = {}
    for name, steps in STEPS.items():
        values = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        values["train"] |= {"max_steps": steps, "output_dir": str(folder / name)}
        values["gate"] = {"floors": {}}  # after so few steps the answers may be malformed
        configs[name] = folder / f"{name}.yaml"
        configs[name].write_text(yaml.safe_dump(values), encoding="utf-8")
        run_verb("train", "--config", configs[name])
    return configs


@contextmanager
def serving(configs: dict[str, Path], log: Path, *options: str) -> Iterator[Deployment]:
    """One vLLM with the adapters of these configurations, healthy inside the block."""
    port = unused_port()
    chosen = [option for path in configs.values() for option in ("--config", str(path))]
    command = [sys.executable, "-m", "serve", *chosen, "--port", str(port), "--log", str(log), *options]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        assert ready.startswith("ready"), log.read_text() if log.exists() else ready
        yield Deployment(f"http://127.0.0.1:{port}", configs)
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.fixture(scope="session")
def deployment(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One vLLM with both adapters for all end-to-end tests, with room for what is loaded while it runs."""
    with serving(trained, tmp_path_factory.mktemp("serve") / "vllm.log", "--runtime-loads", "4") as running:
        yield running
