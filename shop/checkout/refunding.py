"""Refund: money goes back to a buyer, by staff.

T1 locks the order, sees what is left to give back, and stores the refund with the key and the parameters of its call; then,
with no transaction open, Stripe is asked; T2 settles what it said (`shop.checkout.given_back`). Without an answer the refund
stays as it is, counted as being given back, and the sweep asks again: the same key never gives money back twice.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import nulls_first, select, update
from sqlalchemy.orm import Session

from shop.checkout.given_back import refuse, settle_refund
from shop.checkout.refund_plan import REASONS, Plan, check_order, plan
from shop.checkout.refund_row import is_same, key_of, store
from shop.crashing import die_at
from shop.db import Database, now
from shop.errors import InvalidChange, NotFound, PaymentRefused, PaymentUnavailable
from shop.money import Money
from shop.orders.locking import lock_by_number
from shop.orders.models import Order, OrderLine
from shop.payments.disputes import is_charged_back
from shop.payments.gateway import Gateway
from shop.payments.models import Refund
from shop.payments.refunds import left_of
from shop.payments.told import RefundTold

log = structlog.get_logger(__name__)

# A call may still be on its way for this long: the SDK's time-outs and retries together.
CALL_LIFE = timedelta(minutes=2)
ASK_AGAIN = timedelta(minutes=5)
# A refund may be on its way for days; asking once an hour finds what a lost event would have said.
LOOK_AGAIN = timedelta(hours=1)
# Stripe forgets a key after 24 hours and would then give the money back once more (docs.stripe.com/api/idempotent_requests).
KEY_LIFE = timedelta(hours=23)


def refund(
    database: Database,
    gateway: Gateway,
    number: str,
    *,
    lines: Mapping[int, int],
    shipping: bool,
    amount_minor: int | None,
    restock: bool,
    reason: str,
    note: str,
    actor: str,
    press: str,
) -> int:
    """Give back `lines` (order line id -> pieces) and the `shipping` at their price, or `amount_minor` units. Returns its id.

    An amount beside pieces is what they are paid back with. `restock` puts the pieces back on the shelf once Stripe has
    taken the refund. `press` names the showing of the form: sent twice, it is one refund.

    Owns its transactions (T1, T2), none of them open while Stripe is called. Raises NotFound, InvalidChange for what cannot
    be given back, PaymentRefused when Stripe said no (nothing was given back), and PaymentUnavailable when it did not
    answer: the refund then waits for the sweep.
    """
    if reason not in REASONS:
        raise InvalidChange("reason", "Choose one of the reasons.")
    with database.transaction() as session:
        order = lock_by_number(session, number)
        key = key_of(order, press)
        row = session.scalars(select(Refund).where(Refund.idempotency_key == key)).one_or_none()
        is_new = row is None
        if row is None:
            check_order(order, charged_back=is_charged_back(session, order.id))
            wanted = _plan(session, order, lines, shipping=shipping, amount_minor=amount_minor)
            row = store(session, order, wanted, key, restock=restock, reason=reason, note=note, actor=actor)
        elif not is_same(session, row, lines, shipping=shipping, amount_minor=amount_minor):
            raise InvalidChange("amount", "This form has given back something else already. Open the order anew.")
    if row.status == "refused":
        raise PaymentRefused(row.failure_reason)
    if row.status == "creating":
        die_at("refund.stored")
        ask(database, gateway, row.id, is_new=is_new)
    return row.id


def quote(
    session: Session,
    number: str,
    *,
    lines: Mapping[int, int],
    shipping: bool,
    amount_minor: int | None,
    press: str = "",
) -> Plan:
    """What such a refund would come to, for whoever is about to agree to it. Raises as `refund`, and changes nothing.

    Of a `press` that has been heard already it is what that gave back: the second click of two asks for no more.
    """
    order = session.scalars(select(Order).where(Order.number == number)).one_or_none()
    if order is None:
        raise NotFound("order")
    row = session.scalars(select(Refund).where(Refund.idempotency_key == key_of(order, press))).one_or_none()
    if row is not None and is_same(session, row, lines, shipping=shipping, amount_minor=amount_minor):
        return Plan(row.amount_minor, row.shipping_minor, {})
    check_order(order, charged_back=is_charged_back(session, order.id))
    return _plan(session, order, lines, shipping=shipping, amount_minor=amount_minor)


def ask(database: Database, gateway: Gateway, refund_id: int, *, is_new: bool = False) -> None:
    """Ask Stripe for a stored refund with its own key and parameters, and settle what it says.

    Owns its transactions. Raises as `refund`. Another call with the same key may be under way: whichever is answered
    settles it for both.
    """
    with database.reading() as session:
        row = session.get_one(Refund, refund_id)
        params, key, order_id = row.params, row.idempotency_key or "", row.order_id
        is_old = row.created_at <= now() - KEY_LIFE
    at = now()
    try:
        made = _made_before(gateway, refund_id, params) if is_old else None
        told = made or gateway.create_refund(params, key)
    except PaymentUnavailable:
        if _is_still_asked_for(database, refund_id):
            raise
        return
    except PaymentRefused as refusal:
        if refusal.of_key and not is_new:
            # An earlier try went unanswered and may have made the refund, under a key that is refused by now.
            raise PaymentUnavailable from refusal
        with database.transaction() as session:
            refuse(session, refund_id, refusal.reason, is_heard=is_new)
        with suppress(PaymentUnavailable, PaymentRefused):
            # What Stripe refuses has mostly been given back in its dashboard, and the event is on its way.
            look_at_refunds(database, gateway, order_id, "Stripe")
        raise
    die_at("refund.made")
    with database.transaction() as session:
        settle_refund(session, told, "Stripe", at)
    die_at("refund.settled")


def look_at_refunds(database: Database, gateway: Gateway, order_id: int, source: str) -> None:
    """Read all refunds of an order's payment from Stripe, and settle them. Owns its transactions. Raises as the gateway."""
    with database.reading() as session:
        payment_intent = session.scalars(select(Order.payment_intent).where(Order.id == order_id)).one()
    if payment_intent is None:
        return
    at = now()
    known = gateway.refunds_of(payment_intent)
    with database.transaction() as session:
        for told in sorted(known, key=lambda each: each.status not in {"failed", "canceled"}):
            # Those that came to nothing first: they make room for the others.
            settle_refund(session, told, source, at)


@dataclass(frozen=True, slots=True)
class Finished:
    """How many refunds Stripe was asked for again or about, and how many it did not answer for."""

    looked_at: int = 0
    postponed: int = 0


def finish_refunds(database: Database, gateway: Gateway, limit: int = 200) -> Finished:
    """Ask again for refunds that went unanswered, and how those stand that are on their way.

    What was looked at longest ago comes first. Owns its transactions, one refund at a time.
    """
    moment = now()
    unanswered = (Refund.status == "creating") & (Refund.created_at <= moment - CALL_LIFE)
    with database.reading() as session:
        due = session.execute(
            select(Refund.id, Refund.order_id, Refund.status)
            .where(
                (unanswered & (Refund.looked_at.is_(None) | (Refund.looked_at <= moment - ASK_AGAIN)))
                | Refund.status.in_(("pending", "requires_action"))
                & (Refund.looked_at.is_(None) | (Refund.looked_at <= moment - LOOK_AGAIN))
            )
            .order_by(nulls_first(Refund.looked_at), Refund.id)
            .limit(limit)
        ).all()
    if due:
        with database.transaction() as session:
            session.execute(
                update(Refund)
                .where(Refund.id.in_([each.id for each in due]))
                .values(looked_at=moment)
                .execution_options(synchronize_session=False)
            )
    looked_at = postponed = 0
    for each in due:
        try:
            if each.status == "creating":
                ask(database, gateway, each.id)
            else:
                look_at_refunds(database, gateway, each.order_id, "sweep")
            looked_at += 1
        except PaymentRefused as refusal:
            looked_at += 1
            log.warning("refund_refused", refund=each.id, reason=refusal.reason)
        except PaymentUnavailable as error:
            postponed += 1
            log.warning("refund_postponed", refund=each.id, code=error.code)
        except ValueError as error:
            # Stripe has told something that this release does not know; the others are not kept waiting for it.
            postponed += 1
            log.error("refund_postponed", refund=each.id, code=str(error))
    return Finished(looked_at, postponed)


def _plan(
    session: Session, order: Order, wanted: Mapping[int, int], *, shipping: bool, amount_minor: int | None
) -> Plan:
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).execution_options(populate_existing=True)
    ).all()
    spent = order.refunded_minor + order.refund_pending_minor + order.disputed_minor
    left = left_of(
        session,
        order.id,
        Money(order.paid_minor - spent, order.currency),
        Money(order.shipping_minor, order.currency),
        lines,
    )
    return plan(lines, left, wanted=wanted, shipping=shipping, amount_minor=amount_minor)


def _made_before(gateway: Gateway, refund_id: int, params: Mapping[str, Any]) -> RefundTold | None:
    for told in gateway.refunds_of(str(params["payment_intent"])):
        if (told.refund_id, told.order_number) == (refund_id, params["metadata"]["order_number"]):
            return told
    return None


def _is_still_asked_for(database: Database, refund_id: int) -> bool:
    with database.reading() as session:
        return session.scalars(select(Refund.status).where(Refund.id == refund_id)).one() == "creating"
