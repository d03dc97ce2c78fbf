"""The one line of Python that trains."""

import json
import subprocess
import sys
from pathlib import Path

from programs import ROOT

LINE = "from callproof.train import train_model; print(train_model({config!r}, train__max_steps=1)['steps'])"


def test_one_line_of_python_trains_from_any_folder(tmp_path: Path) -> None:
    chats = [json.loads(line) for line in (ROOT / "docs/examples/chats.jsonl").open()]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    text = (ROOT / "docs/examples/chats.yaml").read_text().replace("docs/examples/", "")
    (tmp_path / "chats.yaml").write_text(f"{text}\nmodel:\n  base_model: {ROOT / 'models/tiny'}\n")
    done = subprocess.run(
        [sys.executable, "-c", LINE.format(config="chats.yaml")], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["1"], done.stderr
    assert (tmp_path / "outputs" / "chats" / "adapter" / "adapter_config.json").is_file()
