"""The domain of a Swiss insurer; `wishes.txt` is what its customers ask for, `answers.txt` what its assistant says."""

from pathlib import Path

from synth.dialogue import read_banks
from synth.domains.insurance.story import Insurance

_HERE = Path(__file__).parent
_FILES = (_HERE.with_name("phrases.txt"), _HERE / "wishes.txt", _HERE / "answers.txt")
BANKS = read_banks(*(path.read_text(encoding="utf-8") for path in _FILES))
STORY = Insurance
