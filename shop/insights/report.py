"""What a report on stories says: its rows, and what follows from them. Amounts in minor units of one currency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from shop.money import Money

BY = ("article", "author", "section", "tag", "product", "placement", "day")
# Of a story that has two authors or tags, each has all that it sold: such rows add up to more than the shop took.
OVERLAPPING = frozenset({"author", "tag"})
STEPS = ("served", "seen", "opened", "added", "checkout", "paid")
# Which step each is compared with. What is added need not have been opened first.
BEFORE = {"seen": "served", "opened": "seen", "added": "seen", "checkout": "added", "paid": "checkout"}
# Decimal places of a rate.
PLACES = 4


@dataclass(slots=True)
class Line:
    """One row: how often each step was taken, and what was sold, given back and lost to disputes.

    `checkout` and `paid` count orders that hold something of it; of `refunded_orders`, some of that went back.
    """

    key: str
    label: str
    currency: str
    steps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    pieces: int = 0
    refunded_orders: int = 0
    sold_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0

    @property
    def sold(self) -> Money:
        return Money(self.sold_minor, self.currency)

    @property
    def refunded(self) -> Money:
        return Money(self.refunded_minor, self.currency)

    @property
    def disputed(self) -> Money:
        return Money(self.disputed_minor, self.currency)

    @property
    def net(self) -> Money:
        return self.sold - self.refunded - self.disputed

    @property
    def per_thousand(self) -> Money | None:
        """Net revenue for each thousand times that it was seen, rounded down; None when it was never seen."""
        seen = self.steps["seen"]
        return Money(self.net.minor * 1000 // seen, self.currency) if seen else None

    def rate(self, step: str) -> float | None:
        """Which part of the step before it led to `step`; None where there was none."""
        before = self.steps[BEFORE[step]]
        return round(self.steps[step] / before, PLACES) if before else None

    @property
    def rates(self) -> Mapping[str, float | None]:
        return {step: self.rate(step) for step in BEFORE}


@dataclass(frozen=True, slots=True)
class Report:
    """What was shown and sold from `since` to `until`, both included, by one of `BY`; None is open.

    `lines` are the rows, those that brought most first. `shipping` is what readers paid for the way, which no story earned.
    `total` is all of it, each order once: its net is what the orders took and did not give back. `unverified` counts tokens that
    were not ours. `elsewhere` names other currencies in which orders were paid, which are not in here.
    """

    by: str
    since: date | None
    until: date | None
    currency: str
    lines: tuple[Line, ...]
    shipping: Line
    total: Line
    unverified: int = 0
    elsewhere: tuple[str, ...] = ()

    @property
    def overlaps(self) -> bool:
        """Whether the rows add up to more than the total."""
        return self.by in OVERLAPPING
