"""The docs site builds without a broken link, and its generated pages name what the code has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

from callproof.config import RunConfig
from callproof.scoring import METRICS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def page(site: Path, name: str) -> str:
    (path,) = site.rglob(f"{name}/index.html")
    return path.read_text(encoding="utf-8")


def test_every_key_metric_and_command_is_on_its_generated_page(site: Path) -> None:
    keys, metrics, commands = (page(site, name) for name in ("configuration-keys", "metrics", "commands"))
    for section, field in RunConfig.model_fields.items():
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"<code>{key}</code>" in keys or f"<code>{key}." in keys, f"{section}.{key}"
    assert [name for name in METRICS if f"<code>{name}</code>" not in metrics] == []
    for title in ("callproof init", "callproof train check", "callproof serve promote", "callproof evaluate gate"):
        assert f'id="{title.replace(" ", "-")}"' in commands
    assert "<td>130</td>" in page(site, "exit-codes")


def test_links_to_files_of_the_repository_are_plain_names_where_it_has_no_address(site: Path) -> None:
    assert "<code>examples/app.py</code> is a FastAPI application" in page(site, "deploy")
