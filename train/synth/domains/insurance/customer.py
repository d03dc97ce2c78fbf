"""What is known in a conversation with the insurer, and how its customers name policies, claims and amounts."""

from datetime import date, timedelta
from typing import Any, NamedTuple

from ...dialogue import Dialogue, Split, Story
from ..pools import HOME_ITEMS, STREETS, TOWNS, VEHICLE_ITEMS
from ..words import listing

PRODUCTS = ("household", "car", "travel", "liability")
CAUSES = {"car": ("theft", "fire", "storm", "collision"), "household": ("theft", "fire", "water", "storm")}
OPTIONS = {"car": ("glass", "parking", "roadside"), "household": ("bicycle", "jewellery", "glass")}
REASONS = {"car": ("sold", "moved", "price")}
DEDUCTIBLES = (100, 200, 300, 400, 600, 800, 1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000)
SUMS = {
    "household": range(20000, 200001, 1000),
    "car": range(10000, 90001, 1000),
    "travel": range(5000, 50001, 1000),
    "liability": range(1000000, 10000001, 250000),
}
VAGUE_SHARE: dict[Split, float] = {"train": 0.5, "eval": 0.25}
"""Of requests about a policy where no number is known yet: "my household policy" looks much like one that is."""


class Policy(NamedTuple):
    """One policy of the customer."""

    number: str
    product: str


class Customer(Story):
    """`listed` are the policies that a list has shown, `focus` is the one talked about last."""

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__(dialogue)
        self.listed: list[Policy] = []
        self.focus: Policy | None = None
        self.product_is_known = False
        self.it_is_clear = False

    def refer(self, *products: str) -> tuple[str, Policy]:
        """How the user names a policy of one of these products, and which it is; it becomes the focus."""
        d = self.d
        fitting = [policy for policy in self.listed if policy.product in products]
        if self.focus and self.focus.product in products and d.chance(0.7):
            policy, words = self.focus, ["it", "this policy"] if self.it_is_clear else []
            known = self.product_is_known
        elif fitting:
            policy, words, known = d.rng.choice(fitting), [], True
        else:
            policy, known = self.policy(*products), False
            words = [policy.number, f"policy {policy.number}", f"my policy {policy.number}"]
        if known:
            words += [f"my {policy.product} policy", f"the {policy.product} policy"]
        self._look_at(policy, known)
        return d.rng.choice(words or [f"policy {policy.number}"]), policy

    def _look_at(self, policy: Policy, product_is_known: bool) -> None:
        self.focus, self.product_is_known, self.it_is_clear = policy, product_is_known, True

    def policy(self, *products: str) -> Policy:
        return Policy(self.d.identifier("P"), self.d.rng.choice(products))

    def is_vague(self) -> bool:
        """Whether the user speaks of a policy whose number nobody has given yet."""
        return not (self.focus or self.listed) and self.d.left >= 2 and self.d.chance(VAGUE_SHARE[self.d.split])

    def ask_for_policy(self, bank: str, *products: str, **slots: object) -> Policy:
        """A wish without a policy number, the question for it, and the number."""
        d = self.d
        policy = self.policy(*products)
        known = d.chance(0.6)
        words = f"{d.rng.choice(('my', 'our'))} {policy.product} policy" if known else d.part("vague_policy")
        d.user(bank, policy=words, **slots)
        d.clarify("policy", value=policy.number)
        self._look_at(policy, known)
        return policy

    def coming_date(self) -> tuple[str, str]:
        """A date in the coming months, as the user writes it and as the tool wants it."""
        return self._date(self.d.today + timedelta(days=10), self.d.today + timedelta(days=150))

    def past_date(self) -> tuple[str, str]:
        return self._date(self.d.today - timedelta(days=60), self.d.today - timedelta(days=1))

    def birth_date(self) -> tuple[str, str]:
        return self._date(date(1950, 1, 1), date(2007, 12, 31))

    def _date(self, first: date, last: date) -> tuple[str, str]:
        day = self.d.day_between(first, last)
        return self.d.date_text(day), day.isoformat()

    def amount(self) -> int | float:
        """A damage in francs, often with centimes."""
        d = self.d
        cents = d.rng.choice((0, 15, 25, 35, 45, 55, 65, 85, 95))
        return d.draw([round(whole + cents / 100, 2) if cents else whole for whole in range(127, 6000, 10)])

    def damaged_item(self, product: str) -> str:
        return self.d.pick(VEHICLE_ITEMS if product == "car" else HOME_ITEMS)

    def options(self, product: str) -> tuple[str, list[str]]:
        names = self.d.rng.sample(OPTIONS[product], self.d.rng.choice((1, 2, 2, 3)))
        return listing(names), names

    def quote_terms(self) -> tuple[dict[str, Any], str, str]:
        """Arguments of a quote, its sum in words, its deductible in words (empty where not stated)."""
        d = self.d
        product = d.rng.choice(PRODUCTS)
        insured = d.draw(SUMS[product])
        deductible = d.draw(DEDUCTIBLES) if d.chance(0.4) else None
        arguments = {"product": product, "insured_sum": insured, "deductible": deductible}
        words = d.part("part.deductible", price=d.price(deductible)) if deductible else ""
        return arguments, d.price(insured), words

    def home(self) -> tuple[str, int, str]:
        """Street with number, postcode and town."""
        postcode, town = self.d.pick(TOWNS)
        return f"{self.d.pick(STREETS)} {self.d.rng.randrange(1, 90)}", postcode, town

    def listed_policies(self) -> dict[str, Any]:
        """The result of list_policies; it is `listed` from now on."""
        d = self.d
        products = d.rng.sample(PRODUCTS, d.rng.choice((2, 3, 3)))
        self.listed = [Policy(d.identifier("P"), product) for product in products]
        self.focus = None
        return {"policies": [{"product": policy.product, "number": policy.number} for policy in self.listed]}

    def policies_in_words(self) -> str:
        return listing([f"{policy.product} {policy.number}" for policy in self.listed])
