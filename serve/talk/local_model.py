"""`serve ui --model DIR`: a model in a folder, answered by `callproof train endpoint` in a child, without a server."""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from callproof.config import ModelConfig, RunConfig, load
from callproof.console import say
from callproof.errors import UserError
from callproof.turns import readable_format

from ..start import ADAPTER_FILES, Server, of_option

HOST = "127.0.0.1"
LOG = Path("outputs/serve/model.log")
TIMEOUT_S = 1800.0
_MODEL_FILE = "config.json"


class LocalModel(NamedTuple):
    """A folder, the configuration that its conversations follow, and the words of `train endpoint` for it."""

    folder: Path
    config: RunConfig
    words: tuple[str, ...]


def is_local(names: Sequence[str], endpoint: str | None) -> bool:
    """Whether `--model` names a folder that holds a model or an adapter, and not models of an endpoint.

    Raises:
        UserError: there is a folder beside another name.
    """
    folders = [name for name in names if _holds_model(Path(name))]
    if endpoint or not folders:
        return False
    if len(names) > 1:
        problem = "a folder is talked to by itself (an adapter beside its base)"
        raise UserError(f"--model {folders[0]}", problem, "give one --model, or serve both and give --endpoint")
    return True


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (_MODEL_FILE, ADAPTER_FILES[0], "manifest.json"))


def local_model(folder: Path, config_file: Path | None, overrides: Sequence[str]) -> LocalModel:
    """What a folder holds: a base or merged model, an adapter, or the output folder of a training.

    Without a configuration there is neither system prompt nor catalog, as for `callproof train infer`.

    Raises:
        UserError: the configuration or the adapter's files are malformed.
    """
    config = load(config_file, overrides) if config_file else None
    if (folder / _MODEL_FILE).is_file():
        model = config.model if config else ModelConfig()
        model, answering = model.model_copy(update={"base_model": str(folder), "revision": None}), folder
        option = "--model"
    else:
        source = of_option(f"adapter={folder}")
        model, answering = (config or source.config).model, source.folder
        option = "--adapter"
    words = (option, str(answering), *(("--config", str(config_file), *overrides) if config_file else ()))
    return LocalModel(folder, _with_model(config, model, folder), words)


def _with_model(config: RunConfig | None, model: ModelConfig, folder: Path) -> RunConfig:
    if config:
        return config.model_copy(update={"model": model})
    config = RunConfig.model_validate({"name": "model", "data": {}, "model": model})
    try:
        readable_format(config, folder)
    except UserError as error:
        say(f"{error}; without tools that does not matter")
        serve = config.serve.model_copy(update={"tool_call_parser": "hermes"})
        return config.model_copy(update={"serve": serve})
    return config


@contextmanager
def answering(model: LocalModel) -> Iterator[str]:
    """The URL of an endpoint that answers for a model; its process is gone in the end.

    Raises:
        UserError: it cannot be started; names its log and the reason.
    """
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "callproof", "train", "endpoint", *model.words[:2], "--port", str(port)]
    with Server([*command, *model.words[2:]], {}, LOG) as server:
        say(f"loading {model.folder}, without a server; what it says is in {LOG}")
        server.wait_until_healthy(url, TIMEOUT_S, lambda *_: None)
        yield url
