"""What customers do at a car dealer: searching, test drives, trade-in, leasing, reservations, extras."""

from typing import Any

from ...dialogue import Dialogue, grouped
from ..pools import CARS, FIRST_NAMES, LAST_NAMES, TOWNS
from .customer import BUDGETS, DAYS, FUELS, TIMES, Customer, offers

MONTHS = (24, 36, 48, 60)
DOWN_PAYMENTS = range(1000, 15001, 500)
MILEAGES = range(20000, 240001, 1000)
INTERESTS = (1.9, 2.4, 2.9, 3.2, 3.4, 3.7, 3.9, 4.2, 4.9, 5.2, 5.4, 5.9)
CORRECTIONS = {"search": "other_search", "book": "move", "leasing": "other_leasing", "trade_in": "other_trade_in"}
INCLUDES = {
    "details_of_two": {"details"},
    "leasing_twice": {"leasing"},
    "extras_and_reserve": {"extras", "reserve"},
    "branches_and_search": {"branches", "search"},
    "move": {"move_by_number"},
    "book": {"move_by_number"},
}
"""Acts that make no sense after an act, and it not after them."""


class CarSales(Customer):
    """One session; every method without arguments is an act of one or two user messages."""

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__(dialogue)
        self.booking = ""
        self.slot: tuple[str, str] = ("", "")
        self.lease: dict[str, Any] = {}
        self.traded: dict[str, Any] = {}

    def acts(self) -> dict[str, float]:
        known = 1.0 if self.knows_car else 0.45
        weights = {
            "search": 4.0 if not self.knows_car else 0.5,
            "details": 2.2 * known,
            "book": 3.0 * known,
            "leasing": 2.6 * known,
            "reserve": 2.0 * known,
            "extras": 2.0 * known,
            "trade_in": 1.6,
            "branches": 0.9,
            "move_by_number": 0.9,
            "details_of_two": self._weight_of_two(),
            "leasing_twice": 0.7 * known,
            "extras_and_reserve": 0.7 * known,
            "branches_and_search": 0.35,
        }
        open_ = {name: weight for name, weight in weights.items() if weight and not self._is_done(name)}
        if self.last in CORRECTIONS:
            open_[CORRECTIONS[self.last]] = 7.0
        return open_ or {"search": 1.0}

    def _weight_of_two(self) -> float:
        if self.focus:
            return 0.0
        return 4.0 if len(self.listed) == 2 else 0.0 if self.listed else 0.4

    def _is_done(self, name: str) -> bool:
        over = {name} | INCLUDES.get(name, set()) | {wide for wide, parts in INCLUDES.items() if name in parts}
        return bool(self.done & over)

    def search(self) -> None:
        self.plan_search()
        self.d.user("search", car=self.query_words())
        self._run_search(empty_share=0.08)

    def _run_search(self, empty_share: float = 0.0) -> None:
        result = self.search_result(empty_share)
        self.d.calls(("search_vehicles", dict(self.query), result))
        count = {0: "none", 1: "one"}.get(len(self.listed), "many")
        self.d.assistant(f"reply.search.{count}", cars=offers(result) if self.listed else "")

    def other_search(self) -> None:
        d = self.d
        d.tag("correction")
        fuels = [fuel for fuel in FUELS if fuel != self.query["fuel"] and self.matches(fuel)]
        if self.query["fuel"] and fuels and d.chance(0.6):
            self.query["fuel"] = d.rng.choice(fuels)
            d.user("fix", new=self.query["fuel"])
        else:
            self.query["max_price"] = d.other(self.query["max_price"], BUDGETS)
            d.user("fix", new=d.part("fix.price", price=d.price(self.query["max_price"])))
        self._run_search()

    def details(self) -> None:
        d = self.d
        if self.is_vague():
            vehicle = self.ask_for_car("details")
        else:
            text, vehicle = self.refer()
            d.user("details", car=text)
        facts = self.facts(vehicle)
        d.calls(("get_vehicle", {"vehicle_id": vehicle.id}, facts))
        km = f"{grouped(facts['km'])} km"
        d.assistant("reply.details", model=vehicle.car.model, colour=facts["colour"], year=facts["year"], km=km)

    def details_of_two(self) -> None:
        d = self.d
        if self.listed:
            pair = d.rng.sample(self.listed, 2)
            names = [self.name(vehicle) for vehicle in pair]
        else:
            pair = [self.vehicle(car) for car in d.rng.sample(d.values(CARS), 2)]
            names = [vehicle.id for vehicle in pair]
        d.user("details.two", car=names[0], other=names[1])
        results = [self.facts(vehicle) for vehicle in pair]
        d.calls(*(("get_vehicle", {"vehicle_id": facts["id"]}, facts) for facts in results))
        km, other_km = (f"{grouped(facts['km'])} km" for facts in results)
        models = {"model": pair[0].car.model, "other": pair[1].car.model}
        d.assistant("reply.details.two", km=km, other_km=other_km, **models)
        self.listed = pair

    def book(self) -> None:
        d = self.d
        day, time = self.slot = d.rng.choice(DAYS), d.draw(TIMES)
        name = f"{d.pick(FIRST_NAMES)} {d.pick(LAST_NAMES)}"
        who = d.part("who", name=name)
        if self.is_vague():
            vehicle = self.ask_for_car("book", when=d.part("when.both", day=day, time=time), who=who)
        else:
            text, vehicle = self.refer()
            missing = d.leave_out("day", "time", "when", "name")
            d.user("book", car=text, when=self._when(missing), who="" if missing == "name" else who)
            if missing:
                d.clarify(missing, value={"day": day, "time": time, "name": name, "when": f"{day} at {time}"}[missing])
        self.booking = d.identifier("T")
        arguments = {"vehicle_id": vehicle.id, "day": day.lower(), "time": time, "name": name}
        d.calls(("book_test_drive", arguments, {"booking_id": self.booking}))
        d.assistant("reply.book", booking=self.booking, day=day, time=time)

    def _when(self, missing: str) -> str:
        if missing == "when":
            return ""
        bank = {"day": "when.time", "time": "when.day"}.get(missing, "when.both")
        return self.d.part(bank, day=self.slot[0], time=self.slot[1])

    def move(self) -> None:
        self.d.tag("correction")
        text, slot = self._other_slot()
        self.d.user("fix", new=text)
        self._run_move(slot)

    def move_by_number(self) -> None:
        self.booking = self.d.identifier("T")
        self.it_is_clear = False
        text, slot = self._other_slot()
        self.d.user("move", booking=self.booking, new=text)
        self._run_move(slot)

    def _other_slot(self) -> tuple[str, dict[str, Any]]:
        d = self.d
        day = d.rng.choice([day for day in DAYS if day != self.slot[0]])
        time = d.other(self.slot[1], TIMES)
        kind = d.rng.choice(("day", "time", "both"))
        if kind == "day":
            return day, {"day": day.lower()}
        if kind == "time":
            return time, {"time": time}
        return f"{day} at {time}", {"day": day.lower(), "time": time}

    def _run_move(self, slot: dict[str, Any]) -> None:
        self.d.calls(("move_test_drive", {"booking_id": self.booking, **slot}, {"moved": True}))
        self.d.assistant("reply.move", booking=self.booking)

    def trade_in(self) -> None:
        d = self.d
        car = d.pick(CARS)
        model = d.rng.choice([f"{car.make} {car.model}", car.model])
        year, km = d.draw(range(2008, 2025)), d.draw(MILEAGES)
        condition = d.rng.choice(("fair", "poor")) if d.chance(0.4) else None
        km_text = d.kilometres(km)
        missing = d.leave_out("year", "km")
        facts = [] if missing == "year" else [d.part("fact.year", year=year)]
        facts += [] if missing == "km" else [d.part("fact.km", km=km_text)]
        facts += [d.part("fact.condition", condition=condition)] if condition else []
        d.user("trade", model=model, facts=" ".join(facts))
        if missing:
            d.clarify(missing, value=year if missing == "year" else km_text)
        self.traded = {"car": {"model": model, "year": year, "km": km}, "condition": condition}
        self._run_trade_in()

    def _run_trade_in(self) -> None:
        value = self.d.number(1000, 20000, 100)
        self.it_is_clear = False
        self.d.calls(("value_trade_in", self.traded, {"value": value}))
        self.d.assistant("reply.trade", value=grouped(value))

    def other_trade_in(self) -> None:
        km = self.d.other(self.traded["car"]["km"], MILEAGES)
        self.d.tag("correction")
        self.d.user("fix", new=self.d.kilometres(km))
        self.traded = {**self.traded, "car": {**self.traded["car"], "km": km}}
        self._run_trade_in()

    def leasing(self) -> None:
        d = self.d
        months = d.rng.choice(MONTHS)
        over = d.part("part.months", months=months)
        down = d.draw(DOWN_PAYMENTS) if d.chance(0.45) else None
        interest = d.draw(INTERESTS) if d.chance(0.3) else None
        terms = [d.part("part.down", price=d.price(down))] if down else []
        terms += [d.part("part.interest", interest=interest)] if interest else []
        if self.is_vague():
            vehicle = self.ask_for_car("leasing", terms=" ".join([over, *terms]))
        else:
            text, vehicle = self.refer()
            missing = d.leave_out("months")
            d.user("leasing", car=text, terms=" ".join(terms if missing else [over, *terms]))
            if missing:
                d.clarify(missing, value=months)
        self.lease = {"vehicle_id": vehicle.id, "months": months, "down_payment": down, "interest": interest}
        self._run_leasing()

    def _run_leasing(self) -> None:
        rate = self.d.number(150, 900, 1)
        self.d.calls(("calculate_leasing", self.lease, {"monthly": rate}))
        self.d.assistant("reply.leasing", rate=rate)

    def other_leasing(self) -> None:
        d = self.d
        d.tag("correction")
        if d.chance(0.6):
            months = d.rng.choice([months for months in MONTHS if months != self.lease["months"]])
            self.lease = {**self.lease, "months": months}
            d.user("fix", new=f"{months} months")
        else:
            down = d.other(self.lease["down_payment"], DOWN_PAYMENTS)
            self.lease = {**self.lease, "down_payment": down}
            d.user("fix", new=d.part("fix.down", price=d.price(down)))
        self._run_leasing()

    def leasing_twice(self) -> None:
        d = self.d
        text, vehicle = self.refer()
        terms = sorted(d.rng.sample(MONTHS, 2))
        rates = [d.number(150, 900, 1) for _ in terms]
        d.user("leasing.two", car=text, a=terms[0], b=terms[1])
        d.calls(
            *(
                ("calculate_leasing", {"vehicle_id": vehicle.id, "months": months}, {"monthly": rate})
                for months, rate in zip(terms, rates, strict=True)
            )
        )
        d.assistant("reply.leasing.two", a=terms[0], b=terms[1], rate=rates[0], other=rates[1])

    def reserve(self) -> None:
        d = self.d
        said, until = self.until()
        clause = d.part("until", date=said)
        if self.is_vague():
            vehicle = self.ask_for_car("reserve", until=clause)
        else:
            text, vehicle = self.refer()
            missing = d.leave_out("until")
            d.user("reserve", car=text, until="" if missing else clause)
            if missing:
                d.clarify(missing, value=said)
        d.calls(("reserve_vehicle", {"vehicle_id": vehicle.id, "until": until}, {"reserved": True}))
        d.assistant("reply.reserve", date=said)

    def extras(self) -> None:
        d = self.d
        said, items = self.items()
        if self.is_vague():
            vehicle = self.ask_for_car("extras", items=said)
        else:
            text, vehicle = self.refer()
            missing = d.leave_out("items")
            d.user("extras.vague" if missing else "extras", car=text, items=said)
            if missing:
                d.clarify(missing, value=said)
        price = d.number(200, 4000, 10)
        d.calls(("order_extras", {"vehicle_id": vehicle.id, "items": items}, {"price": price}))
        d.assistant("reply.extras", price=grouped(price))

    def extras_and_reserve(self) -> None:
        d = self.d
        text, vehicle = self.refer()
        said, items = self.items()
        date, until = self.until()
        price = d.number(200, 4000, 10)
        d.user("extras_and_reserve", car=text, items=said, until=d.part("until", date=date))
        d.calls(
            ("order_extras", {"vehicle_id": vehicle.id, "items": items}, {"price": price}),
            ("reserve_vehicle", {"vehicle_id": vehicle.id, "until": until}, {"reserved": True}),
        )
        d.assistant("reply.extras.reserve", price=grouped(price), date=date)

    def branches(self) -> None:
        self.d.user("branches", town=self.d.pick(TOWNS)[1])
        result, towns = self.places()
        self.d.calls(("list_branches", {}, result))
        self.d.assistant("reply.branches", towns=towns)

    def branches_and_search(self) -> None:
        self.plan_search()
        self.d.user("branches_and_search", car=self.query_words())
        result = self.search_result(empty_share=0.0)
        places, towns = self.places()
        self.d.calls(("list_branches", {}, places), ("search_vehicles", dict(self.query), result))
        self.d.assistant("reply.branches.search", towns=towns, cars=offers(result))

    def out_of_scope(self) -> None:
        self.d.tag("out_of_scope")
        self.d.user("out_of_scope.car" if self.d.chance(0.5) else "out_of_scope", town=self.d.pick(TOWNS)[1])
        self.d.assistant("answer.out_of_scope")
