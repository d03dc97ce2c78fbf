"""The hashes of a manifest tell which sessions an adapter has seen, wherever they came from."""

import hashlib
import json
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from train.rows.hashes import split_sha256

ROWS = [{"id": str(number), "input": "a", "response": "b"} for number in range(40)]


def config_of(folder: Path, **data: Any) -> RunConfig:
    return RunConfig.model_validate({"name": "demo", "data": {"domain": str(folder), **data}})


def test_of_one_file_it_is_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[0]))
    expected = hashlib.sha256((tmp_path / "a.jsonl").read_bytes()).hexdigest()
    assert split_sha256(config_of(tmp_path, train="a.jsonl"), "train") == expected


def test_of_other_sources_it_is_that_of_the_sessions_however_they_are_spread(tmp_path: Path) -> None:
    for folder, cut in (("one", 40), ("two", 15)):
        (tmp_path / folder).mkdir()
        for number, part in enumerate((ROWS[:cut], ROWS[cut:])):
            if part:
                (tmp_path / folder / f"{number}.json").write_text(json.dumps(part))
    config = {name: config_of(tmp_path, train=name) for name in ("one", "two")}
    assert split_sha256(config["one"], "train") == split_sha256(config["two"], "train")
    shared = config_of(tmp_path, train="one", eval_share=0.3)
    assert len({split_sha256(shared, "train"), split_sha256(shared, "eval"), split_sha256(config["one"], "train")}) == 3
