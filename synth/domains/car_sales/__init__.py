"""The domain of a Swiss car dealer."""

from synth.dialogue import read_banks
from synth.domains import phrases
from synth.domains.car_sales import answers, wishes
from synth.domains.car_sales.story import CarSales

BANKS = read_banks(phrases.PHRASES, wishes.PHRASES, answers.PHRASES)
STORY = CarSales
