"""docs/tutorial.md as a newcomer follows it: the wheel, an empty folder, and the commands of the page."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from built_wheel import built_wheel
from conftest import ROOT

pytestmark = pytest.mark.e2e
(PAGE,) = (ROOT / "docs").rglob("tutorial.md")
MAY_STOP = {"evaluate gate": (0, 1, 4, 5)}
"""The verdict is the gate's; all others must end well."""


def commands() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if not line.startswith("export ")]


def test_the_page_has_at_most_twelve_commands_and_none_names_the_repository() -> None:
    lines = commands()
    assert len(lines) <= 12
    paths = [word for line in lines for word in line.split() if "/" in word]
    assert [path for path in paths if (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a log, and beside it an environment that has everything but callproof."""
    root = tmp_path_factory.mktemp("tutorial")
    venv.create(root / "venv", with_pip=True)
    (packages,) = (root / "venv" / "lib").glob("*/site-packages")
    torch = importlib.util.find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    (packages / "libraries.pth").write_text(str(Path(torch.origin).parents[1]) + "\n")
    (root / "here").mkdir()
    with (root / "here" / "log.jsonl").open("w") as log:
        subprocess.run([sys.executable, str(ROOT / "examples" / "hotel_log.py")], stdout=log, check=True)
    return root


def test_its_commands_lead_from_a_log_to_a_verdict(place: Path) -> None:
    here, wheel = place / "here", built_wheel(place)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "PATH": f"{place / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "BASE": str(ROOT / "models" / "tiny"),
        "GPU_GIB": "0",
        "LLM_SERVE__PORT": str(unused_port()),
        "LLM_TRAIN__MAX_STEPS": "120",
        "HF_HUB_OFFLINE": "1",
    }
    server = None
    try:
        for line in commands():
            typed = f"pip install --quiet --no-deps {wheel}" if line.startswith("pip install") else line
            if typed.endswith("&"):
                with (here / "serve.txt").open("w") as out:
                    server = subprocess.Popen(
                        typed.removesuffix("&").split(), cwd=here, env=environment, stdout=out, start_new_session=True
                    )
                wait_until_ready(server, here / "serve.txt")
                continue
            done = subprocess.run(["bash", "-c", typed], cwd=here, env=environment, capture_output=True, text=True)
            accepted = next((codes for words, codes in MAY_STOP.items() if words in line), (0,))
            assert done.returncode in accepted, f"{line}\n{done.stdout}\n{done.stderr}"
    finally:
        if server:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)
    first, base = (json.loads((here / "runs" / name / "metrics.json").read_text()) for name in ("first", "base"))
    (adapter,), (untrained,) = first["models"].values(), base["models"].values()
    assert adapter["metrics"]["turn_exact"]["value"] > untrained["metrics"]["turn_exact"]["value"]
    assert (here / "runs" / "first" / "gate.json").is_file()
    assert json.loads(done.stdout)["model"] == "hotel"
    assert (place / "venv" / "bin" / "callproof").is_file()


def wait_until_ready(server: subprocess.Popen[bytes], out: Path) -> None:
    for _ in range(1800):
        if out.read_text().startswith("ready"):
            return
        assert server.poll() is None
        time.sleep(0.1)
    raise AssertionError("the server was not ready after 180 s")
