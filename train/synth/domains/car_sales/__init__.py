"""The domain of a Swiss car dealer; its customers' words are in `wishes.txt`, its assistant's in `answers.txt`."""

from pathlib import Path

from ...dialogue import read_banks
from .story import CarSales

_HERE = Path(__file__).parent
_FILES = (_HERE.with_name("phrases.txt"), _HERE / "wishes.txt", _HERE / "answers.txt")
BANKS = read_banks(*(path.read_text(encoding="utf-8") for path in _FILES))
STORY = CarSales
