"""The two domains by name; their prompt and catalog are data, in datasets/<name>."""

from dataclasses import dataclass

from ..dialogue import Banks, Story
from . import car_sales, insurance


@dataclass(frozen=True)
class Domain:
    """What the sessions of one domain are made of."""

    banks: Banks
    story: type[Story]


DOMAINS = {
    "car_sales": Domain(car_sales.BANKS, car_sales.STORY),
    "insurance": Domain(insurance.BANKS, insurance.STORY),
}
