"""What customers of an insurer do: policies, quotes, claims, a new address, drivers, cover, cancelling."""

from typing import Any

from ...dialogue import Dialogue, grouped
from ..pools import FIRST_NAMES, LAST_NAMES, TOWNS
from .customer import CAUSES, DEDUCTIBLES, OPTIONS, PRODUCTS, REASONS, SUMS, Customer

CORRECTIONS = {"quote": "other_quote", "address": "other_address", "cancel": "other_cancel"}
INCLUDES = {
    "status_of_two": {"status"},
    "quote_two": {"quote"},
    "coverage_and_driver": {"coverage", "driver"},
    "policies_and_status": {"policies", "status"},
}
"""Acts that make no sense after an act, and it not after them."""


class Insurance(Customer):
    """One session; every method without arguments is an act of one or two user messages."""

    idle_share = 0.18

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__(dialogue)
        self.claim_id = ""
        self.quoted: dict[str, Any] = {}
        self.moved_to: dict[str, Any] = {}
        self.cancelled: dict[str, Any] = {}

    def acts(self) -> dict[str, float]:
        known = 1.0 if self.focus or self.listed else 0.6
        weights = {
            "policies": 2.6 if not self.focus else 0.0,
            "quote": 2.2,
            "claim": 3.0 * known,
            "status": 5.0 if self.claim_id else 1.2,
            "address": 2.0,
            "driver": 2.0 * known,
            "coverage": 2.4 * known,
            "cancel": 2.2 * known,
            "status_of_two": 0.5,
            "quote_two": 0.6,
            "coverage_and_driver": 0.7 * known,
            "policies_and_status": 0.5 if not self.focus else 0.0,
        }
        if "cancel" in self.done:
            weights |= {"claim": 0.0, "driver": 0.0, "coverage": 0.0, "coverage_and_driver": 0.0}
        open_ = {name: weight for name, weight in weights.items() if weight and not self._is_done(name)}
        if self.last in CORRECTIONS:
            open_[CORRECTIONS[self.last]] = 7.0
        return open_ or {"quote": 1.0}

    def _is_done(self, name: str) -> bool:
        over = {name} | INCLUDES.get(name, set()) | {wide for wide, parts in INCLUDES.items() if name in parts}
        return bool(self.done & over)

    def policies(self) -> None:
        self.d.user("policies")
        self.d.calls(("list_policies", {}, self.listed_policies()))
        self.d.assistant("reply.policies", policies=self.policies_in_words())

    def quote(self) -> None:
        d = self.d
        self.quoted, said, deductible = self.quote_terms()
        missing = d.leave_out("sum")
        terms = deductible if missing else f"{d.part('part.sum', price=said)} {deductible}"
        d.user("quote", product=self.quoted["product"], terms=terms)
        if missing:
            d.clarify(missing, value=said)
        self._run_quote()

    def _run_quote(self) -> None:
        premium = self.d.number(80, 1900, 1)
        self.it_is_clear = False
        self.d.calls(("quote_premium", self.quoted, {"premium": premium}))
        self.d.assistant("reply.quote", premium=grouped(premium))

    def other_quote(self) -> None:
        d = self.d
        d.tag("correction")
        if d.chance(0.5):
            insured = d.other(self.quoted["insured_sum"], SUMS[self.quoted["product"]])
            self.quoted = {**self.quoted, "insured_sum": insured}
            d.user("fix", new=d.part("fix.sum", price=d.price(insured)))
        else:
            deductible = d.other(self.quoted["deductible"], DEDUCTIBLES)
            self.quoted = {**self.quoted, "deductible": deductible}
            d.user("fix", new=d.part("fix.deductible", price=d.price(deductible)))
        self._run_quote()

    def quote_two(self) -> None:
        d = self.d
        first, second = self.quote_terms(), self.quote_terms()
        while second[0]["product"] == first[0]["product"]:
            second = self.quote_terms()
        said = [f"{d.part('part.sum', price=price)} {deductible}" for _, price, deductible in (first, second)]
        products = {"product": first[0]["product"], "other": second[0]["product"]}
        premiums = [d.number(80, 1900, 1), d.number(80, 1900, 1)]
        d.user("quote.two", terms=said[0], other_terms=said[1], **products)
        d.calls(
            ("quote_premium", first[0], {"premium": premiums[0]}),
            ("quote_premium", second[0], {"premium": premiums[1]}),
        )
        self.it_is_clear = False
        d.assistant("reply.quote.two", premium=premiums[0], other_premium=premiums[1], **products)

    def claim(self) -> None:
        d = self.d
        vague = self.is_vague()
        text, policy = ("", self.policy(*CAUSES)) if vague else self.refer(*CAUSES)
        cause, (said, day) = d.rng.choice(CAUSES[policy.product]), self.past_date()
        missing = "" if vague else d.leave_out("date", "cause")
        cause_said = d.part(f"cause.{cause}")
        place, place_said = self._place()
        extra, sentences = self._claim_details(policy.product)
        facts = f"{'' if missing == 'date' else d.part('fact.date', date=said)} {place_said}"
        slots = {"cause": d.part("cause.unknown") if missing == "cause" else cause_said, "facts": facts}
        if vague:
            policy = self.ask_for_policy("claim", policy.product, **slots, after=sentences)
        else:
            d.user("claim", policy=text, after=sentences, **slots)
            if missing:
                d.clarify(missing, value=said if missing == "date" else cause_said)
        incident = {"date": day, "cause": cause, "place": place}
        self._run_claim({"policy_number": policy.number, "incident": incident, **extra})

    def _place(self) -> tuple[str | None, str]:
        if self.d.chance(0.55):
            return None, ""
        town = self.d.pick(TOWNS)[1]
        return town, self.d.part("fact.place", town=town)

    def _claim_details(self, product: str) -> tuple[dict[str, Any], str]:
        """Optional arguments of a claim, and the sentences that state them."""
        d = self.d
        item = self.damaged_item(product) if d.chance(0.3) else None
        amount = self.amount() if d.chance(0.35) else None
        police = True if d.chance(0.2) else None
        sentences = [d.part("claim.item", item=item)] if item else []
        sentences += [d.part("claim.amount", price=d.price(amount))] if amount else []
        sentences += [d.part("claim.police")] if police else []
        d.rng.shuffle(sentences)
        return {"item": item, "amount": amount, "police": police}, " ".join(sentences)

    def _run_claim(self, arguments: dict[str, Any]) -> None:
        self.claim_id = self.d.identifier("C")
        self.it_is_clear = False
        self.d.calls(("file_claim", arguments, {"claim_id": self.claim_id}))
        self.d.assistant("reply.claim", claim=self.claim_id)

    def status(self) -> None:
        d = self.d
        if self.claim_id:
            d.user("status", claim=d.part("claim.new"))
        elif d.left >= 2 and d.chance(0.35):
            self.claim_id = d.identifier("C")
            d.user("status", claim=d.part("vague_claim"))
            d.clarify("claim", value=self.claim_id)
        else:
            self.claim_id = d.identifier("C")
            d.user("status", claim=d.part("claim.number", id=self.claim_id))
        status, result = self._status()
        d.calls(("check_claim", {"claim_id": self.claim_id}, result))
        self.it_is_clear = False
        d.assistant(f"reply.status.{status}", claim=self.claim_id, payout=grouped(result.get("payout", 0)))

    def _status(self) -> tuple[str, dict[str, Any]]:
        status = self.d.rng.choice(("open", "approved", "approved", "rejected"))
        result: dict[str, Any] = {"status": status}
        return status, result | ({"payout": self.d.number(100, 6000, 10)} if status == "approved" else {})

    def status_of_two(self) -> None:
        d = self.d
        claims = [d.identifier("C"), d.identifier("C")]
        d.user("status.two", claim=d.part("claim.number", id=claims[0]), other=d.part("claim.number", id=claims[1]))
        statuses = [self._status() for _ in claims]
        d.calls(
            *(("check_claim", {"claim_id": id_}, result) for id_, (_, result) in zip(claims, statuses, strict=True))
        )
        self.it_is_clear = False
        d.assistant(
            "reply.status.two", claim=claims[0], status=statuses[0][0], other=claims[1], other_status=statuses[1][0]
        )

    def policies_and_status(self) -> None:
        d = self.d
        claim = d.identifier("C")
        d.user("policies_and_status", claim=d.part("claim.number", id=claim))
        status, result = self._status()
        d.calls(("list_policies", {}, self.listed_policies()), ("check_claim", {"claim_id": claim}, result))
        d.assistant("reply.policies.status", policies=self.policies_in_words(), claim=claim, status=status)

    def address(self) -> None:
        d = self.d
        street, postcode, town = self.home()
        said, day = self.coming_date() if d.chance(0.5) else ("", None)
        from_date = d.part("from_date", date=said) if said else ""
        missing = d.leave_out("postcode", "street")
        words = {"": f"{street}, {postcode} {town}", "postcode": f"{street} in {town}", "street": f"{postcode} {town}"}
        d.user("address", address=words[missing], from_date=from_date)
        if missing:
            d.clarify(missing, value=street if missing == "street" else postcode)
        self.moved_to = {"street": street, "postcode": postcode, "city": town, "valid_from": day}
        self._run_address()

    def _run_address(self) -> None:
        self.it_is_clear = False
        self.d.calls(("change_address", self.moved_to, {"changed": True}))
        self.d.assistant("reply.address", town=self.moved_to["city"])

    def other_address(self) -> None:
        d = self.d
        d.tag("correction")
        street, number = self.moved_to["street"].rsplit(" ", 1)
        new = f"{street} {d.rng.choice([n for n in range(1, 90) if str(n) != number])}"
        self.moved_to = {**self.moved_to, "street": new}
        d.user("fix", new=new)
        self._run_address()

    def _driver(self) -> tuple[str, str, str]:
        """Name, date of birth in words, and as the tool wants it."""
        return f"{self.d.pick(FIRST_NAMES)} {self.d.pick(LAST_NAMES)}", *self.birth_date()

    def driver(self) -> None:
        d = self.d
        name, said, birth = self._driver()
        born = d.part("born", date=said)
        if self.is_vague():
            policy = self.ask_for_policy("driver", "car", name=name, born=born)
        else:
            text, policy = self.refer("car")
            missing = d.leave_out("born")
            d.user("driver", policy=text, name=name, born="" if missing else born)
            if missing:
                d.clarify(missing, value=said)
        arguments = {"policy_number": policy.number, "name": name, "birth_date": birth}
        d.calls(("add_driver", arguments, {"added": True}))
        d.assistant("reply.driver", name=name)

    def coverage(self) -> None:
        d = self.d
        if self.is_vague():
            product = d.rng.choice(list(OPTIONS))
            said, options = self.options(product)
            policy = self.ask_for_policy("coverage", product, options=said)
        else:
            text, policy = self.refer(*OPTIONS)
            said, options = self.options(policy.product)
            missing = d.leave_out("options")
            d.user("coverage.vague" if missing else "coverage", policy=text, options=said)
            if missing:
                d.clarify(missing, value=said)
        premium = d.number(20, 400, 1)
        d.calls(("add_coverage", {"policy_number": policy.number, "options": options}, {"premium": premium}))
        d.assistant("reply.coverage", premium=premium)

    def coverage_and_driver(self) -> None:
        d = self.d
        text, policy = self.refer("car")
        said, options = self.options("car")
        name, born, birth = self._driver()
        premium = d.number(20, 400, 1)
        d.user("coverage_and_driver", policy=text, options=said, name=name, born=d.part("born", date=born))
        d.calls(
            ("add_coverage", {"policy_number": policy.number, "options": options}, {"premium": premium}),
            ("add_driver", {"policy_number": policy.number, "name": name, "birth_date": birth}, {"added": True}),
        )
        d.assistant("reply.coverage.driver", name=name, premium=premium)

    def cancel(self) -> None:
        d = self.d
        said, day = self.coming_date()
        end = d.part("end", date=said)
        if self.is_vague():
            product = d.rng.choice(PRODUCTS)
            reason, reason_said = self._reason(product)
            policy = self.ask_for_policy("cancel", product, end=end, reason=reason_said)
        else:
            text, policy = self.refer(*PRODUCTS)
            reason, reason_said = self._reason(policy.product)
            missing = d.leave_out("end")
            d.user("cancel", policy=text, end="" if missing else end, reason=reason_said)
            if missing:
                d.clarify(missing, value=said)
        self.cancelled = {"policy_number": policy.number, "end_date": day, "reason": reason}
        self._run_cancel(said)

    def _reason(self, product: str) -> tuple[str | None, str]:
        if self.d.chance(0.55):
            return None, ""
        reason = self.d.rng.choice(REASONS.get(product, ("moved", "price")))
        return reason, self.d.part(f"reason.{reason}")

    def _run_cancel(self, said: str) -> None:
        self.d.calls(("cancel_policy", self.cancelled, {"cancelled": True}))
        self.d.assistant("reply.cancel", policy=self.cancelled["policy_number"], date=said)

    def other_cancel(self) -> None:
        said, day = self.coming_date()
        while day == self.cancelled["end_date"]:
            said, day = self.coming_date()
        self.d.tag("correction")
        self.d.user("fix", new=said)
        self.cancelled = {**self.cancelled, "end_date": day}
        self._run_cancel(said)

    def out_of_scope(self) -> None:
        self.d.tag("out_of_scope")
        self.d.user("out_of_scope.insurance" if self.d.chance(0.5) else "out_of_scope", town=self.d.pick(TOWNS)[1])
        self.d.assistant("answer.out_of_scope")
