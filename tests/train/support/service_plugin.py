"""Services on folders of their own, with the embedded base in them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from service_client import Service

Start = Callable[..., Service]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base path that holds the embedded model as `tiny`."""
    folder = tmp_path / "base"
    shutil.copytree(ROOT / "models" / "tiny", folder / "tiny")
    return folder


@pytest.fixture
def start(base: Path) -> Iterator[Start]:
    """Starts a service with the given options on `base`, or on the folder that is named."""
    services: list[Service] = []

    def begin(*options: str, folder: Path = base) -> Service:
        services.append(Service(folder, *options))
        return services[-1]

    yield begin
    for service in services:
        service.close()
