"""The domain of a Swiss insurer."""

from synth.dialogue import read_banks
from synth.domains import phrases
from synth.domains.insurance import answers, wishes
from synth.domains.insurance.story import Insurance

BANKS = read_banks(phrases.PHRASES, wishes.PHRASES, answers.PHRASES)
STORY = Insurance
