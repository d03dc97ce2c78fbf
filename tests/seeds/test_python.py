"""The one line of Python that trains, outside a checkout."""

import subprocess
import sys
from pathlib import Path

from programs import ROOT

LINE = "from callproof.train import train_model; train_model({config!r}, train__max_steps=1, data__text='chat')"


def test_train_model_is_imported_in_any_folder_and_reads_what_it_is_given(tmp_path: Path) -> None:
    config = ROOT / "docs" / "examples" / "chats.yaml"
    line = LINE.format(config=str(config))
    done = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True)
    problem = "callproof.errors.UserError: argument: data.text: Input should be 'chatml' or 'as_is', got 'chat'"
    assert done.stderr.splitlines()[-1].startswith(problem), done.stderr
