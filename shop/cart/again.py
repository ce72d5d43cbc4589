"""Filling a cart once more with what an order held: what of it is still there, at the prices of now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.cart.handles import enter_or_open
from shop.cart.lines import MAX_LINES, source_key
from shop.cart.models import CartLine
from shop.cart.offered import can_be_bought
from shop.catalog.models import Product, Variant
from shop.db import add_up, now
from shop.money import Money


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line to be had once more, from the same story and the same place in it."""

    variant_id: int | None
    quantity: int
    article_id: int | None
    article_title: str
    placement: str
    tie_in_id: int | None
    slot: str

    @property
    def key(self) -> str:
        return source_key(self.variant_id or 0, self.article_id)


@dataclass(frozen=True, slots=True)
class StillThere:
    """What of a wanted line there is now. No `price` (each) and no pieces: it is no longer on sale."""

    price: Money | None = None
    pieces: int = 0


def still_there(
    session: Session, wanted: Sequence[Wanted], *, currency: str, limit: int, own: Mapping[int, int] | None = None
) -> tuple[StillThere, ...]:
    """What of each wanted line can be had now, in their order. One statement.

    Lines of one variant share its stock and its `limit`. `own` pieces (variant id -> quantity) are held for this very reader.
    """
    offers = _offers(session, wanted, currency)
    left = {number: min(variant.available + (own or {}).get(number, 0), limit) for number, variant in offers.items()}
    found: list[StillThere] = []
    for line in wanted:
        variant = offers.get(line.variant_id or 0)
        if variant is None:
            found.append(StillThere())
            continue
        pieces = max(min(line.quantity, left[variant.id]), 0)
        left[variant.id] -= pieces
        found.append(StillThere(Money(variant.price_minor, currency), pieces))
    return tuple(found)


def fill_again(
    session: Session,
    handle: str | None,
    wanted: Sequence[Wanted],
    *,
    currency: str,
    limit: int,
    country: str,
    own: Mapping[int, int] | None = None,
) -> str:
    """See to it that the cart with this handle holds the wanted lines, as far as they are still there. Returns its handle.

    What the cart holds of them already counts, so doing it twice equals doing it once. A handle that opens no cart gets a
    new cart with a new handle, which goes to `country`. Nothing is reserved: that happens at checkout. Never commits.
    """
    cart_id, handle = enter_or_open(session, handle, None, country_if_new=country)
    offers = _offers(session, wanted, currency)
    held: dict[str, int] = {}
    in_cart: dict[int, int] = {}
    for line in session.scalars(select(CartLine).where(CartLine.cart_id == cart_id)):
        held[line.source_key] = line.quantity
        in_cart[line.variant_id] = in_cart.get(line.variant_id, 0) + line.quantity
    for want in wanted:
        variant = offers.get(want.variant_id or 0)
        if variant is None or (want.key not in held and len(held) >= MAX_LINES):
            continue
        room = min(variant.available + (own or {}).get(variant.id, 0), limit) - in_cart.get(variant.id, 0)
        missing = min(want.quantity - held.get(want.key, 0), room)
        if missing <= 0:
            continue
        add_up(
            session,
            CartLine,
            _line(cart_id, want, variant, missing),
            key=("cart_id", "source_key"),
            counted="quantity",
            renewed="seen_price_minor",
        )
        held[want.key] = held.get(want.key, 0) + missing
        in_cart[variant.id] = in_cart.get(variant.id, 0) + missing
    return handle


def _line(cart_id: int, want: Wanted, variant: Variant, pieces: int) -> dict[str, object]:
    return {
        "cart_id": cart_id,
        "variant_id": variant.id,
        "article_id": want.article_id,
        "source_key": want.key,
        "quantity": pieces,
        "seen_price_minor": variant.price_minor,
        "article_title": want.article_title,
        "placement": want.placement,
        "tie_in_id": want.tie_in_id,
        "slot": want.slot,
    }


def _offers(session: Session, wanted: Iterable[Wanted], currency: str) -> dict[int, Variant]:
    """Those of the wanted variants that are on sale now."""
    moment = now()
    rows = session.execute(
        select(Variant, Product)
        .join(Product, Product.id == Variant.product_id)
        .where(Variant.id.in_({line.variant_id for line in wanted if line.variant_id is not None}))
    )
    return {
        variant.id: variant
        for variant, product in rows
        if can_be_bought(product, variant, moment) and product.currency == currency
    }
