"""Refund: money goes back to a buyer, by staff.

T1 locks the order, sees what is left to give back, and stores the refund with the key and the parameters of its call; then,
with no transaction open, Stripe is asked; T2 settles what it said (`shop.checkout.given_back`). Without an answer the refund
stays as it is, counted as being given back, and the sweep asks again: the same key never gives money back twice.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import nulls_first, select, update
from sqlalchemy.orm import Session

from shop.checkout.given_back import recount, refuse, settle_refund
from shop.checkout.refund_plan import REASONS, Plan, check_order, plan, written
from shop.crashing import die_at
from shop.db import Database, now
from shop.errors import InvalidChange, NotFound, PaymentRefused, PaymentUnavailable
from shop.money import Money
from shop.orders.facts import tell
from shop.orders.models import Order, OrderLine
from shop.payments.gateway import Gateway
from shop.payments.models import Refund, RefundLine
from shop.payments.refunds import left_of
from shop.payments.told import RefundTold
from shop.staff import audit

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
        order = session.scalars(
            select(Order).where(Order.number == number).with_for_update().execution_options(populate_existing=True)
        ).one_or_none()
        if order is None:
            raise NotFound("order")
        key = key_of(order, press)
        row = session.scalars(select(Refund).where(Refund.idempotency_key == key)).one_or_none()
        is_new = row is None
        if row is None:
            check_order(order)
            wanted = _plan(session, order, lines, shipping=shipping, amount_minor=amount_minor)
            row = store(session, order, wanted, key, restock=restock, reason=reason, note=note, actor=actor)
        elif not _is_same(session, row, lines, shipping=shipping, amount_minor=amount_minor):
            raise InvalidChange("amount", "This form has given back something else already. Open the order anew.")
    if row.status == "refused":
        raise PaymentRefused(row.failure_reason)
    if row.status == "creating":
        die_at("refund.stored")
        ask(database, gateway, row.id, is_new=is_new)
    return row.id


def quote(session: Session, number: str, *, lines: Mapping[int, int], shipping: bool, amount_minor: int | None) -> Plan:
    """What such a refund would come to, for whoever is about to agree to it. Raises as `refund`, and changes nothing."""
    order = session.scalars(select(Order).where(Order.number == number)).one_or_none()
    if order is None:
        raise NotFound("order")
    check_order(order)
    return _plan(session, order, lines, shipping=shipping, amount_minor=amount_minor)


def key_of(order: Order, press: str) -> str:
    """The idempotency key of one press on an order's button."""
    return f"refund-{order.number}-{hashlib.sha256(press.encode()).hexdigest()[:32]}"


def store(
    session: Session,
    order: Order,
    wanted: Plan,
    key: str,
    *,
    restock: bool = False,
    reason: str = "",
    note: str = "",
    actor: str,
) -> Refund:
    """T1 of a refund of a locked order: its row, the sums that count it, timeline and audit trail. Never commits."""
    # What has never left the stock room cannot come back to it.
    returns = restock and bool(wanted.lines) and order.stock_state == "sold"
    currency = (order.unmatched_currency or order.currency) if order.paid_at is None else order.currency
    row = Refund(
        order_id=order.id,
        idempotency_key=key,
        amount_minor=wanted.amount_minor,
        shipping_minor=wanted.shipping_minor,
        currency=currency,
        status="creating",
        reason=reason,
        note=note.strip()[:400],
        restock=returns,
        actor=actor[:120],
    )
    session.add(row)
    session.flush()
    row.params = _params(order, row)
    session.add_all(
        RefundLine(refund_id=row.id, order_line_id=line_id, quantity=quantity, amount_minor=minor)
        for line_id, (quantity, minor) in sorted(wanted.lines.items())
    )
    recount(session, order)
    amount = wanted.amount_minor if currency == order.currency else None
    tell(session, order, "refund_asked", actor, amount_minor=amount, note=row.note)
    audit.record(
        session,
        actor,
        "order.refund",
        f"order {order.number}",
        {"refund": (None, written(Money(wanted.amount_minor, currency))), "restock": (None, returns)},
    )
    return row


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
            refuse(session, refund_id, refusal.reason)
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


def _is_same(
    session: Session, row: Refund, wanted: Mapping[int, int], *, shipping: bool, amount_minor: int | None
) -> bool:
    """Whether a form that was sent before says now what it said then; the Back button brings it up to be filled in anew."""
    stored = session.execute(
        select(RefundLine.order_line_id, RefundLine.quantity).where(RefundLine.refund_id == row.id)
    )
    pieces = {line_id: quantity for line_id, quantity in wanted.items() if quantity}
    return (
        {line_id: quantity for line_id, quantity in stored} == pieces  # noqa: C416  dict() would want tuples
        and shipping == (row.shipping_minor > 0)
        and amount_minor in {None, row.amount_minor}
    )


def _params(order: Order, row: Refund) -> dict[str, Any]:
    """What Stripe is sent, stored so that a retry says the same. The metadata leads an event back to the row."""
    ours = {"order_id": str(order.id), "order_number": order.number, "refund_id": str(row.id)}
    named = {"reason": row.reason} if row.reason else {}
    return {"payment_intent": order.payment_intent, "amount": row.amount_minor, "metadata": ours, **named}


def _made_before(gateway: Gateway, refund_id: int, params: Mapping[str, Any]) -> RefundTold | None:
    for told in gateway.refunds_of(str(params["payment_intent"])):
        if (told.refund_id, told.order_number) == (refund_id, params["metadata"]["order_number"]):
            return told
    return None


def _is_still_asked_for(database: Database, refund_id: int) -> bool:
    with database.reading() as session:
        return session.scalars(select(Refund.status).where(Refund.id == refund_id)).one() == "creating"
