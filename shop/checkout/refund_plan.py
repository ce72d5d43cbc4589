"""What a refund is of: pieces of lines and the shipping, or an amount; and what of it the shop may give back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shop.errors import InvalidChange
from shop.money import apportion, spoken
from shop.orders.models import Order, OrderLine
from shop.payments.refunds import Refundable

# Stripe's words (docs.stripe.com/api/refunds/create#create_refund-reason); none at all is allowed, too.
REASONS = frozenset({"", "duplicate", "fraudulent", "requested_by_customer"})


@dataclass(frozen=True, slots=True)
class Plan:
    """A refund to be asked for, in minor units. `lines`: order line id -> pieces, and what they are paid back with."""

    amount_minor: int
    shipping_minor: int
    lines: Mapping[int, tuple[int, int]]


def check_order(order: Order, *, charged_back: bool) -> None:
    """Raises InvalidChange for an order that nothing can be given back of now.

    `charged_back`: a dispute is open that is more than an inquiry. After an inquiry the money is still here, and giving it
    back is how most of them end (docs.stripe.com/disputes/how-disputes-work#inquiries).
    """
    if order.paid_at is None or order.payment_intent is None:
        raise InvalidChange("amount", "This order has not been paid; there is nothing to give back.")
    if charged_back:
        raise InvalidChange(
            "amount",
            "The buyer's bank is looking into this payment. Answer the dispute at Stripe; until it has ended, nothing can be"
            " given back here.",
        )


def plan(
    lines: Sequence[OrderLine],
    left: Refundable,
    *,
    wanted: Mapping[int, int],
    shipping: bool,
    amount_minor: int | None,
) -> Plan:
    """`wanted` pieces (order line id -> pieces) and the `shipping` at their price, or for `amount_minor` if it is given.

    An amount without pieces is part of the price. With the shipping it pays that back first. Raises InvalidChange for more
    than is `left`, and for nothing.
    """
    pieces = {line_id: quantity for line_id, quantity in wanted.items() if quantity}
    _check_pieces(pieces, left)
    if left.total.minor == 0:
        raise InvalidChange("amount", "Nothing is left of this payment to give back.")
    if shipping and left.shipping.minor == 0:
        raise InvalidChange("shipping", "Nothing is left of the shipping to give back.")
    prices = {line.id: line.unit_price_minor for line in lines}
    worth = {line_id: prices[line_id] * quantity for line_id, quantity in pieces.items()}
    of_shipping = left.shipping.minor if shipping else 0
    if amount_minor is None:
        amount = sum(worth.values()) + of_shipping
        if amount == 0:
            raise InvalidChange("lines", "Choose what to give back, or write an amount.")
    else:
        amount = amount_minor
        if amount < 1:
            raise InvalidChange("amount", "Write how much to give back.")
        of_shipping = min(of_shipping, amount)
        if pieces and amount > sum(worth.values()) + of_shipping:
            most = spoken(sum(worth.values()) + of_shipping, left.total.currency)
            raise InvalidChange("amount", f"What you chose costs {most}; it cannot be paid back with more.")
    if amount > left.total.minor:
        rest = spoken(left.total.minor, left.total.currency)
        raise InvalidChange("amount", f"Only {rest} of this payment is left to give back.")
    return Plan(amount, of_shipping, _shares(pieces, worth, amount - of_shipping))


def _check_pieces(pieces: Mapping[int, int], left: Refundable) -> None:
    for line_id, quantity in pieces.items():
        if line_id not in left.lines:
            raise InvalidChange("lines", "This line is not one of the order's.")
        if quantity < 0:
            raise InvalidChange("lines", "Write how many pieces, such as 1.")
        if quantity > left.lines[line_id]:
            most = left.lines[line_id]
            said = (
                "No piece of this line is" if most == 0 else f"Only {most} of this line {'is' if most == 1 else 'are'}"
            )
            raise InvalidChange("lines", f"{said} left to give back.")


def _shares(pieces: Mapping[int, int], worth: Mapping[int, int], amount: int) -> dict[int, tuple[int, int]]:
    """`amount` over the lines by what they are worth, to the last minor unit, and to none more than that."""
    line_ids = sorted(pieces)
    parts = apportion(amount, [worth[line_id] for line_id in line_ids])
    return {line_id: (pieces[line_id], part) for line_id, part in zip(line_ids, parts, strict=True)}
