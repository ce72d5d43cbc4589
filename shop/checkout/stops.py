"""Which lines of carts are stopped, and saying so: merchandise was taken away from their story, or their product from sale."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, cast, select, update
from sqlalchemy.orm import Session

from shop.articles.models import Suppression
from shop.articles.suppression import reached_by, reaches
from shop.cart.models import Cart, CartLine
from shop.cart.reading import CartView
from shop.catalog.models import Product, Variant
from shop.catalog.stock import full_title
from shop.db import in_batches
from shop.errors import NoLongerSold

AT_ONCE = 500  # ids in a statement
_LINES = CartLine.__table__.c
_REACHED = reached_by(_LINES.article_id, _LINES.variant_id).add_columns(_LINES.id.label("line_id"))
_OF_CART = _REACHED.where(_LINES.cart_id == bindparam("cart"))
_ONE = select(
    cast(bindparam("article"), Integer).label("article_id"), cast(bindparam("variant"), Integer).label("variant_id")
).subquery()
_OF_ONE = reached_by(_ONE.c.article_id, _ONE.c.variant_id)


def _strongest(rows: Iterable[Any]) -> dict[int, str]:
    """Line id -> why it is stopped. That its product was taken away says more than that it was from one story."""
    stops: dict[int, str] = {}
    for row in rows:
        why = reaches(row)
        if why and stops.get(row.line_id) != "product":
            stops[row.line_id] = why
    return stops


def with_stops(connection: Connection, cart: CartView) -> CartView:
    """The cart with each line stopped that a suppression in force reaches. One statement."""
    stops = _strongest(connection.execute(_OF_CART, {"cart": cart.id}))
    lines = tuple(replace(line, stopped=stops.get(line.id, line.stopped)) for line in cart.lines)
    return replace(cart, lines=lines)


def mark_stopped(session: Session, cart_id: int) -> None:
    """Have a locked cart say of its lines what was taken away meanwhile. One statement if nothing was."""
    _mark(session, _strongest(session.execute(_OF_CART, {"cart": cart_id})))


def refuse_stopped(session: Session, variant_id: int, article_id: int | None) -> None:
    """Raise NoLongerSold for a variant that is not to be put into a cart, from this story or from none. One statement."""
    asked = {"variant": variant_id, "article": article_id}
    stops = [stop for row in session.execute(_OF_ONE, asked) if (stop := reaches(row))]
    if stops:
        titles = session.execute(
            select(Product.title, Variant.title)
            .join(Variant, Variant.product_id == Product.id)
            .where(Variant.id == variant_id)
        ).one()
        raise NoLongerSold(full_title(*titles), "product" if "product" in stops else "story")


def stop_lines(session: Session, suppression_id: int) -> set[int]:
    """Mark every line that a suppression reaches, with the locks of their carts. Returns the ids of the carts.

    The suppression is locked until the transaction ends, so that nobody lifts it while lines are being marked.
    """
    locked = select(Suppression.id).where(Suppression.id == suppression_id).with_for_update()
    session.execute(locked).all()
    reached = reached_by(_LINES.article_id, _LINES.variant_id, suppression_id).add_columns(_LINES.id.label("line_id"))
    return _mark(session, _strongest(session.execute(reached)))


def free_lines(session: Session) -> None:
    """Let lines that say that they are stopped say what still stops them, if anything does."""
    stopped = _LINES.stopped != ""
    marked = session.scalars(select(_LINES.id).where(stopped))
    _mark(session, dict.fromkeys(marked, "") | _strongest(session.execute(_REACHED.where(stopped))), anew=True)


def _mark(session: Session, stops: Mapping[int, str], *, anew: bool = False) -> set[int]:
    """Write it to the lines, or `anew` over whatever they say. Their carts are locked first, by id, as everybody does who changes lines."""
    carts: set[int] = set()
    for ids in in_batches(sorted(stops), AT_ONCE):
        carts.update(session.scalars(select(_LINES.cart_id).where(_LINES.id.in_(ids))))
    for ids in in_batches(sorted(carts), AT_ONCE):
        session.execute(select(Cart.id).where(Cart.id.in_(ids)).order_by(Cart.id).with_for_update()).all()
    for why in ("", "story", "product"):
        for ids in in_batches([line for line, said in sorted(stops.items()) if said == why], AT_ONCE):
            session.execute(
                update(CartLine)
                .where(CartLine.id.in_(ids), CartLine.stopped.not_in((why,) if anew else (why, "product")))
                .values(stopped=why)
                .execution_options(synchronize_session=False)
            )
    return carts
