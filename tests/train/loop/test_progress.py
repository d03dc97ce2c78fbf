"""How far a run is, as those who watch it read it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from callproof.config import load
from train.loop.progress import FILE, Progress, read_progress, write_progress

pytest_plugins = ["small_run_plugin"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    progress = Progress(step=3, total_steps=8, epoch=0.75, total_epochs=2, loss=1.5)
    write_progress(tmp_path, progress)
    assert read_progress(tmp_path) == progress
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [None, b"", b'{"step": ', b"[]", b'{"step": -1}'])
def test_a_run_that_has_written_nothing_readable_is_at_its_beginning(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert read_progress(tmp_path) == Progress()


@pytest.mark.parametrize(
    ("step", "epoch", "current"),
    [(0, 0.0, 0), (1, 0.25, 1), (4, 1.0, 2), (7, 1.75, 2), (8, 2.0, 3), (9, 2.25, 3), (12, 3.0, 3)],
)
def test_the_current_epoch_is_the_one_that_is_trained(step: int, epoch: float, current: int) -> None:
    assert Progress(step=step, total_steps=12, epoch=epoch, total_epochs=3).current_epoch == current


def test_the_display_ends_however_the_training_ends(
    small_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from callproof.console import Steps
    from train.loop.sft import train_adapter
    from train.loop.trainer import AdapterTrainer

    ended: list[str] = []
    monkeypatch.setattr(Steps, "__exit__", lambda *_: ended.append("ended"))

    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AdapterTrainer, "compute_loss", stops)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(load(small_run(train={"max_steps": 2})))
    assert ended == ["ended"]
