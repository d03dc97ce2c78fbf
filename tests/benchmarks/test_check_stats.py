"""The benchmark of `check --stats` reads all that it has written, and both sides are measured."""

import json
from pathlib import Path

import pytest

from benchmarks.check_stats import MB, check_config, measured, write_folder
from callproof.sessions import read_sessions


@pytest.mark.parametrize(("bare", "messages"), [(False, 17), (True, 16)])
def test_the_folder_has_its_size_and_check_reads_all_of_it(bare: bool, messages: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    size = write_folder(data, 2 * MB, bare)
    assert 1.8 * MB < size < 2.4 * MB
    assert {path.suffix for path in data.iterdir()} == {".jsonl", ".parquet"}
    sessions = [session for _, session in read_sessions(data)]
    assert {len(session.messages) + (session.system is not None) for session in sessions} == {messages}
    assert {session.tools is None for session in sessions} == {bare}
    config = check_config(tmp_path, data)
    figures = measured("callproof", ["train", "check", "--config", str(config), "--stats"], tmp_path)
    assert figures.peak_mb > 20
    assert json.loads(config.read_text())["data"]["train"] == str(data)
