"""Taking merchandise away where it is being bought: carts say so, and open payment pages are expired at Stripe.

What was taken away is never sold, however the moments fall. Checkouts look at the suppressions in force while they hold their
cart's lock (`shop.checkout.beginning`). So once a suppression is committed, whoever may have looked before holds the lock of a
cart that holds such a line: `take_away` waits for each of them, and then knows of every order there is to close.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import nulls_first
from sqlalchemy.orm import Session

from shop.articles.suppression import holding, lift, reached_by, reaches, suppress_once
from shop.checkout.closing import close_attempt
from shop.checkout.stops import free_lines, stop_lines
from shop.db import Database, now
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.orders.models import Order, OrderLine
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt
from shop.staff.audit import record

# Somebody waits for the answer. The sweep goes on within the minute with what was not reached by then.
PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class TakenAway:
    """How many `carts` say so now, how many payment `sessions` were closed, and how many are `left` to the sweep.

    A session that turned out to be paid counts as closed: Stripe had taken the money already.
    """

    suppression_id: int
    carts: int = 0
    sessions: int = 0
    left: int = 0


def take_away(
    database: Database, gateway: Gateway, scope: str, value: str | int | None, *, reason: str, actor: str
) -> TakenAway:
    """Suppress (`shop.articles.suppression.suppress_once`), stop the lines of carts, and close open payment pages at Stripe.

    Owns its transactions, none open while Stripe is called: T1 suppresses, marks the lines and writes the trail; T2 waits for
    the checkouts that were under way; then one for each order, whose goods are free only when Stripe has said so. What Stripe
    does not answer for is left to the sweep, which closes such orders whatever time they have. Done twice, it does the rest of
    what was left. Raises InvalidChange and NotFound, with nothing changed.
    """
    with database.transaction() as session:
        suppression_id, is_new = suppress_once(session, scope, value, reason, actor)
        carts = stop_lines(session, suppression_id)
        if is_new:
            said = next(view for view in holding(session) if view.id == suppression_id)
            changes = {"what": (None, said.what), "reason": (None, said.reason)}
            record(session, actor, "suppression.make", f"suppression {said.key}", changes)
    with database.transaction() as session:
        carts |= stop_lines(session, suppression_id)
    with database.reading() as session:
        orders = orders_under(session, suppression_id)
    closed, deadline = 0, now() + PATIENCE
    for order_id in orders:
        if now() > deadline:
            break
        try:
            close_attempt(database, gateway, order_id, source="merchandise taken away")
            closed += 1
        except (PaymentUnavailable, PaymentRefused):
            continue
    return TakenAway(suppression_id, len(carts), closed, len(orders) - closed)


def give_back(database: Database, suppression_id: int, *, actor: str) -> bool:
    """Lift a suppression; lines that nothing else stops can be bought again. False if it was lifted already.

    One transaction. Raises NotFound.
    """
    with database.transaction() as session:
        held = next((view for view in holding(session) if view.id == suppression_id), None)
        if not lift(session, suppression_id, actor):
            return False
        free_lines(session)
        key = held.key if held else str(suppression_id)
        record(session, actor, "suppression.lift", f"suppression {key}", {"what": (held.what if held else key, None)})
    return True


def orders_under(session: Session, *only: int, limit: int | None = None) -> list[int]:
    """Orders that can still be paid and hold what was taken away (by these suppressions, or by any). One statement.

    Those which the sweep has looked at longest ago come first. A delayed payment that is under way is no longer ours to stop.
    """
    rows = session.execute(
        reached_by(_ORDERED.article_id, _ORDERED.variant_id, *only)
        .add_columns(Order.id.label("order_id"))
        .join(Order, Order.id == OrderLine.order_id)
        .join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
        .where(Order.closed_at.is_(None), Order.processing_at.is_(None))
        .order_by(nulls_first(PaymentAttempt.looked_at), Order.id)
    )
    return list(dict.fromkeys(row.order_id for row in rows if reaches(row)))[:limit]


_ORDERED = OrderLine.__table__.c
