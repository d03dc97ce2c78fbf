"""What is known in a conversation with the car dealer, and how its customers name cars, dates and searches."""

from datetime import timedelta
from typing import Any, NamedTuple

from ...dialogue import Dialogue, Story, grouped
from ..pools import CARS, COLOURS, STREETS, TOWNS, Car
from ..words import article, listing

DAYS = ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
TIMES = tuple(f"{hour:02}:{minute:02}" for hour in range(8, 18) for minute in (0, 15, 30, 45))
BUDGETS = range(12000, 60001, 500)
FUELS = ("petrol", "diesel", "hybrid", "electric")
ITEMS = {
    "winter tyres": "winter_tyres",
    "a roof box": "roof_box",
    "a tow bar": "tow_bar",
    "a dashcam": "dashcam",
    "floor mats": "floor_mats",
}


class Vehicle(NamedTuple):
    """One car in stock."""

    id: str
    car: Car

    @property
    def title(self) -> str:
        return f"{self.car.make} {self.car.model}"


class Customer(Story):
    """`listed` are the cars of the last search, `focus` is the one talked about last."""

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__(dialogue)
        self.listed: list[Vehicle] = []
        self.focus: Vehicle | None = None
        self.seen: set[str] = set()
        self.it_is_clear = False
        self.query: dict[str, Any] = {}

    @property
    def knows_car(self) -> bool:
        return bool(self.focus or self.listed)

    def vehicle(self, car: Car | None = None) -> Vehicle:
        return Vehicle(self.d.identifier("V"), car or self.d.pick(CARS))

    def name(self, vehicle: Vehicle) -> str:
        model = vehicle.car.model
        return self.d.rng.choice([f"the {model}", f"the {model}", f"the {vehicle.title}"])

    def refer(self) -> tuple[str, Vehicle]:
        """How the user names the car that is meant, and which it is; it becomes the focus."""
        d = self.d
        if self.focus and d.chance(0.75):
            vehicle, is_only = self.focus, True
        elif self.listed:
            vehicle, is_only = d.rng.choice(self.listed), len(self.listed) == 1
        else:
            vehicle, is_only = self.vehicle(), False
        words = ["it", "it", "this car"] if is_only and self.it_is_clear else []
        words += [self.name(vehicle)] if vehicle.id in self.seen else []
        self.focus, self.it_is_clear = vehicle, True
        return d.rng.choice(words or [vehicle.id, f"car {vehicle.id}", f"vehicle {vehicle.id}"]), vehicle

    def is_vague(self) -> bool:
        """Whether the user speaks of a car that nobody has named yet."""
        return not self.knows_car and self.d.left >= 2 and self.d.chance(0.4)

    def ask_for_car(self, bank: str, **slots: object) -> Vehicle:
        """A wish without a car, the question which one, and its number."""
        self.focus, self.it_is_clear = self.vehicle(), True
        self.d.user(bank, car=self.d.part("vague_car"), **slots)
        self.d.clarify("car", value=self.focus.id)
        return self.focus

    def facts(self, vehicle: Vehicle) -> dict[str, Any]:
        """The result of get_vehicle."""
        d = self.d
        self.seen.add(vehicle.id)
        return {
            "id": vehicle.id,
            "model": vehicle.title,
            "year": d.draw(range(2016, 2026)),
            "km": d.number(5000, 150000, 500),
            "colour": d.pick(COLOURS),
        }

    def until(self) -> tuple[str, str]:
        """A date in the coming weeks, as the user writes it and as the tool wants it."""
        d = self.d
        day = d.day_between(d.today + timedelta(days=4), d.today + timedelta(days=60))
        return d.date_text(day), day.isoformat()

    def items(self) -> tuple[str, list[str]]:
        names = self.d.rng.sample(list(ITEMS), self.d.rng.choice((1, 2, 2, 3)))
        return listing(names), [ITEMS[name] for name in names]

    def places(self) -> tuple[dict[str, Any], str]:
        """The result of list_branches, and its towns in words."""
        d = self.d
        towns = [town for _, town in d.rng.sample(d.values(TOWNS), 2)]
        return {"branches": [f"{d.pick(STREETS)} {d.rng.randrange(1, 90)}, {town}" for town in towns]}, listing(towns)

    # Searches

    def plan_search(self) -> None:
        """Draws `query`, the arguments of the next search."""
        d = self.d
        anchor: Car = d.pick(CARS)
        by_model = d.chance(0.5)
        fuel = d.rng.choice(anchor.fuels) if d.chance(0.55) else None
        by_body = not by_model and (not fuel or d.chance(0.5))
        self.query = {
            "model": d.rng.choice([f"{anchor.make} {anchor.model}", anchor.model]) if by_model else None,
            "fuel": fuel,
            "body": anchor.body if by_body else None,
            "max_price": d.draw(BUDGETS) if d.chance(0.6) else None,
            "max_km": d.number(10000, 150000, 1000) if d.chance(0.3) else None,
            "automatic": True if d.chance(0.25) else None,
        }

    def query_words(self) -> str:
        """`query` in words, such as `a diesel Octavia below CHF 25'000`."""
        d, query = self.d, self.query
        body = "SUV" if query["body"] == "suv" else query["body"]
        noun = " ".join(word for word in (query["fuel"], query["model"] or body or "car") if word)
        limits = []
        if query["max_km"]:
            limits.append(d.part("part.km", km=d.kilometres(query["max_km"])))
        if query["max_price"]:
            limits.append(d.part("part.price", price=d.price(query["max_price"])))
        d.rng.shuffle(limits)
        clauses = [d.part("part.automatic")] if query["automatic"] else []
        return " ".join([article(noun), *clauses, " and ".join(limits)]).strip()

    def matches(self, fuel: str | None) -> list[Car]:
        """The cars that fit the query, with another fuel."""
        model, body = self.query["model"], self.query["body"]
        return [
            car
            for car in self.d.values(CARS)
            if (not fuel or fuel in car.fuels)
            and (not body or body == car.body)
            and (not model or model in (car.model, f"{car.make} {car.model}"))
        ]

    def search_result(self, empty_share: float) -> dict[str, Any]:
        """The result of the query; what it holds is `listed` from now on."""
        d = self.d
        cars = self.matches(self.query["fuel"])
        count = 0 if d.chance(empty_share) else min(len(cars), d.rng.choice((2, 2, 3)))
        self.listed = [self.vehicle(car) for car in d.rng.sample(cars, count)]
        self.focus, self.it_is_clear = None, True
        self.seen |= {vehicle.id for vehicle in self.listed}
        top = self.query["max_price"] or 50000
        prices = [d.number(top // 2, top, 100) for _ in self.listed]
        return {
            "vehicles": [
                {"model": vehicle.title, "id": vehicle.id, "price": price}
                for vehicle, price in zip(self.listed, prices, strict=True)
            ]
        }


def offers(result: dict[str, Any]) -> str:
    """The cars of a search result in words."""
    return listing([f"{article(car['model'])} at CHF {grouped(car['price'])}" for car in result["vehicles"]])
