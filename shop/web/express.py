"""What both doors do when something is put into a cart, and the cart that each press of "Buy now" has of its own."""

import hashlib

from sqlalchemy.orm import Session

from shop.articles.placement import Placement, remember
from shop.cart import adding, lines
from shop.cart.lines import Source
from shop.checkout.stops import refuse_stopped
from shop.web.house import house
from shop.web.own_goods import freeing_own_goods
from shop.web.wish import Wish


class Terms(Source):
    """With what a line enters a cart: the most of it, and where it came from."""

    limit: int


def terms(session: Session, placement: Placement | None, variant_id: int) -> Terms:
    """The terms of a line that comes from this story, which is remembered, or from none. In the caller's transaction.

    Raises NoLongerSold if merchandise was taken away from the story, or the variant's product from sale.
    """
    limit = house().settings.shop_max_quantity
    if placement is None:
        refuse_stopped(session, variant_id, None)
        return {"limit": limit}
    article_id, tie_in_id = remember(session, placement)
    refuse_stopped(session, variant_id, article_id)
    return {
        "limit": limit,
        "article_id": article_id,
        "article_title": placement.title,
        "placement": placement.layout,
        "tie_in_id": tie_in_id,
        "slot": placement.slot,
    }


def handle_of(press: str) -> str:
    """The handle of a press' own cart: known to whoever pressed, and to nobody else."""
    return hashlib.sha256(f"express {press}".encode()).hexdigest()


def express_cart(press: str, wish: Wish, placement: Placement | None, country: str | None) -> int:
    """The cart of this press, holding just what is wished for, and going to `country` if there is one.

    One transaction; if the payment page of this very press holds the goods back, that is closed, and there is another.
    Raises as `adding.add_to_cart`.
    """
    handle = handle_of(press)

    def fill() -> int:
        with house().database.transaction() as session:
            cart_id = adding.buy_now(
                session, press, handle, wish.variant.id, wish.quantity, **terms(session, placement, wish.variant.id)
            )
            if country:
                lines.choose_country(session, cart_id, country)
            return cart_id

    return freeing_own_goods(fill, handle)
