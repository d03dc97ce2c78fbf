"""How far a run is, as those who watch it read it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from callproof.config import load
from train.loop.progress import FILE, Pace, Progress, read_progress, write_progress

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
    from train.loop.methods.sft import SupervisedTrainer
    from train.loop.sft import train_adapter

    ended: list[str] = []
    monkeypatch.setattr(Steps, "__exit__", lambda *_: ended.append("ended"))

    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SupervisedTrainer, "compute_loss", stops)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(load(small_run(train={"max_steps": 2})))
    assert ended == ["ended"]


def test_the_pace_tells_steps_tokens_a_second_time_left_and_loss() -> None:
    now, tokens = [50.0], [0]
    pace = Pace(10, lambda: tokens[0], lambda: now[0])
    assert pace.tell(10, 110) == "10 of 110 steps"
    now[0], tokens[0], pace.loss = 70.0, 16_240, 0.4123
    # ten steps in twenty seconds: the ninety that are left take 180
    assert pace.tell(20, 110) == "20 of 110 steps, 812 tokens/s, 3 min 00 s left, loss 0.412"
    assert pace.tell(110, 110).startswith("110 of 110 steps, 812 tokens/s, 0 s left")


def test_a_training_names_each_of_its_phases_and_counts_its_tokens(
    small_run: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from callproof.console import progress
    from train.loop.run import run

    monkeypatch.setattr(progress, "_SAY_EACH_S", 0.0)
    run(load(small_run(train={"max_steps": 2})))
    text = capsys.readouterr().err
    phases = re.findall(r"small: ([^:]*) \(after \d+ s\)", text)
    assert phases == [
        "reading and checking sessions",
        "checking the machine",
        "loading the tokenizer",
        "encoding rows, and importing libraries meanwhile",
        "reading the eval turns",
        "loading the base",
        "training",
        "measuring the loss",
        "writing and checking the adapter",
        "writing the prompts of the eval turns",
    ]
    rates = re.findall(r"training: 2 of 2 steps, ([\d,]+) tokens/s, 0 s left, loss \d\.\d{3}", text)
    assert int(rates[-1].replace(",", "")) > 0
    assert re.search(r"small: \d+ s: .*training \d+", text)
