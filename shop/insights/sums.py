"""Whose money it was: what an order took, and what of it went back, told apart by its lines and the shipping. To the cent.

docs/decisions/0011-refunds-lower-the-story-that-sold.md says why it is told apart so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shop.money import apportion


@dataclass(frozen=True, slots=True)
class Share:
    """What of an order's money belongs to one line, or to the shipping: taken, given back, and taken back by disputes."""

    sold: int
    refunded: int
    disputed: int

    @property
    def net(self) -> int:
        return self.sold - self.refunded - self.disputed


def shares(
    worth: Sequence[int],
    shipping: int,
    *,
    refunded: int,
    disputed: int,
    of_lines: Mapping[int, int],
    of_shipping: int,
) -> tuple[list[Share], Share]:
    """The shares of a paid order's lines, which cost `worth` each, and of its `shipping`. All in minor units.

    `refunded` and `disputed` are the order's sums, and come out again, to the last unit. Of what was refunded some is known to
    be of lines (`of_lines`: place of the line -> amount) or of the shipping. The rest went back as an amount: it is spread over
    the lines by what is left of each, and is of the shipping only when nothing else is left. So is what disputes took; what
    they took beyond that, because it had gone back before, is a loss to the lines by what they cost.
    """
    explicit = [of_lines.get(place, 0) for place in range(len(worth))]
    left = [price - gone for price, gone in zip(worth, explicit, strict=True)]
    rest = refunded - sum(explicit) - of_shipping
    spread, over = _spread(rest, left)
    back = [known + part for known, part in zip(explicit, spread, strict=True)]
    shipping_back = of_shipping + over
    left = [price - gone for price, gone in zip(worth, back, strict=True)]
    taken, over = _spread(disputed, left)
    shipping_taken = min(over, max(shipping - shipping_back, 0)) if sum(worth) else over
    lost = apportion(over - shipping_taken, worth)
    return (
        [Share(price, gone, part + loss) for price, gone, part, loss in zip(worth, back, taken, lost, strict=True)],
        Share(shipping, shipping_back, shipping_taken),
    )


def _spread(amount: int, left: Sequence[int]) -> tuple[list[int], int]:
    """`amount` over the lines as far as there is something left of them, and what remains of it."""
    fits = min(amount, sum(left))
    return apportion(fits, left), amount - fits
