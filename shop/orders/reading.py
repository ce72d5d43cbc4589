"""Orders as pages show them: frozen values, read in a fixed number of statements."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from shop.catalog.stock import full_title
from shop.db import cursor_id
from shop.money import Money
from shop.orders.facts import LABELS
from shop.orders.models import Order, OrderLine

# As `OrderView.is_to_ship`, but for those of which all is on its way back; they are few, and leave the list when it is there.
TO_SHIP = (Order.status == "paid") | ((Order.status == "partly_refunded") & Order.shipped_at.is_(None))


@dataclass(frozen=True, slots=True)
class OrderLineView:
    """A line as it was ordered."""

    id: int
    variant_id: int | None
    title: str
    variant_title: str
    sku: str
    product_slug: str
    image_key: str
    unit_price: Money
    quantity: int
    refunded_quantity: int
    article_id: int | None
    article_url: str
    article_title: str
    placement: str
    tie_in_id: int | None
    slot: str

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity

    @property
    def full_title(self) -> str:
        return full_title(self.title, self.variant_title)


@dataclass(frozen=True, slots=True)
class EntryView:
    """A line of the timeline."""

    at: datetime
    what: str
    source: str
    amount: Money | None
    note: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with everything a page may say about it."""

    id: int
    number: str
    access_token: str
    cart_id: int | None
    status: str
    stock_state: str
    attention: str
    livemode: bool
    locale: str
    currency: str
    subtotal: Money
    shipping: Money
    total: Money
    paid: Money
    refunded: Money
    refund_pending: Money
    disputed: Money
    dispute_state: str
    unmatched: Money | None
    country: str
    shipping_method: str
    email: str
    buyer_name: str
    address: Mapping[str, Any]
    payment_intent: str | None
    placed_at: datetime
    processing_at: datetime | None
    paid_at: datetime | None
    payment_failed_at: datetime | None
    expired_at: datetime | None
    cancelled_at: datetime | None
    shipped_at: datetime | None
    lines: tuple[OrderLineView, ...]
    entries: tuple[EntryView, ...]

    @property
    def status_label(self) -> str:
        return LABELS[self.status]

    @property
    def is_settled(self) -> bool:
        """Whether nothing about its payment is still to come."""
        return self.status not in {"pending", "processing"}

    @property
    def buyers_status(self) -> str:
        """The status as far as it is the buyer's: what their bank asks of the shop is left out."""
        if self.status != "disputed":
            return self.status
        if self.refunded.minor:
            return "partly_refunded" if self.refunded < self.paid else "refunded"
        return "shipped" if self.shipped_at is not None else "paid"

    @property
    def buyers_label(self) -> str:
        return LABELS[self.buyers_status]

    @property
    def can_be_ordered_again(self) -> bool:
        """Whether it has ended without being paid, and no payment for it can arrive any more."""
        return self.status in {"payment_failed", "expired", "cancelled"}

    @property
    def is_to_ship(self) -> bool:
        """Whether its goods may leave; not while all that was paid for them is on its way back."""
        going_back = self.refunded + self.refund_pending == self.paid
        return self.status in {"paid", "partly_refunded"} and self.shipped_at is None and not going_back

    @property
    def version(self) -> str:
        """Changes whenever the timeline grows; a waiting page compares it."""
        return f"{self.buyers_status}-{len(self.entries)}"

    @property
    def story(self) -> OrderLineView | None:
        """The first line that came from a story."""
        return next((line for line in self.lines if line.article_url), None)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list."""

    id: int
    number: str
    status: str
    email: str
    buyer_name: str
    total: Money
    pieces: int
    article_title: str
    placed_at: datetime

    @property
    def status_label(self) -> str:
        return LABELS[self.status]


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of a list, newest first, and the cursor of the next."""

    orders: tuple[OrderRow, ...]
    next_cursor: str | None


def _view(order: Order) -> OrderView:
    def money(minor: int) -> Money:
        return Money(minor, order.currency)

    return OrderView(
        id=order.id,
        number=order.number,
        access_token=order.access_token,
        cart_id=order.cart_id,
        status=order.status,
        stock_state=order.stock_state,
        attention=order.attention or "",
        livemode=order.livemode,
        locale=order.locale,
        currency=order.currency,
        subtotal=money(order.subtotal_minor),
        shipping=money(order.shipping_minor),
        total=money(order.total_minor),
        paid=money(order.paid_minor),
        refunded=money(order.refunded_minor),
        refund_pending=money(order.refund_pending_minor),
        disputed=money(order.disputed_minor),
        dispute_state=order.dispute_state,
        unmatched=Money(order.unmatched_minor, order.unmatched_currency)
        if order.unmatched_minor and order.unmatched_currency
        else None,
        country=order.country,
        shipping_method=order.shipping_method,
        email=order.email,
        buyer_name=order.buyer_name,
        address=order.address,
        payment_intent=order.payment_intent,
        placed_at=order.placed_at,
        processing_at=order.processing_at,
        paid_at=order.paid_at,
        payment_failed_at=order.payment_failed_at,
        expired_at=order.expired_at,
        cancelled_at=order.cancelled_at,
        shipped_at=order.shipped_at,
        lines=tuple(
            OrderLineView(
                id=line.id,
                variant_id=line.variant_id,
                title=line.title,
                variant_title=line.variant_title,
                sku=line.sku,
                product_slug=line.product_slug,
                image_key=line.image_key,
                unit_price=money(line.unit_price_minor),
                quantity=line.quantity,
                refunded_quantity=line.refunded_quantity,
                article_id=line.article_id,
                article_url=line.article_url,
                article_title=line.article_title,
                placement=line.placement,
                tie_in_id=line.tie_in_id,
                slot=line.slot,
            )
            for line in order.lines
        ),
        entries=tuple(
            EntryView(e.at, e.what, e.source, None if e.amount_minor is None else money(e.amount_minor), e.note)
            for e in order.entries
        ),
    )


def _find(session: Session, condition: Any) -> OrderView | None:
    order = session.scalars(
        select(Order)
        .where(condition)
        .options(selectinload(Order.lines), selectinload(Order.entries))
        .execution_options(populate_existing=True)
    ).one_or_none()
    return _view(order) if order is not None else None


def find_by_token(session: Session, access_token: str) -> OrderView | None:
    """The order that an unguessable link leads to. Three statements."""
    return _find(session, Order.access_token == access_token) if 0 < len(access_token) <= 64 else None


def find_by_number(session: Session, number: str) -> OrderView | None:
    """The order with this number, for staff. Three statements."""
    return _find(session, Order.number == number.upper())


def find_by_id(session: Session, order_id: int) -> OrderView | None:
    """The order with this id. Three statements."""
    return _find(session, Order.id == order_id)


def list_orders(
    session: Session, status: str | None = None, after: str | None = None, limit: int = 25, search: str = ""
) -> OrderPage:
    """One page of orders, newest first, of one status if one is named, beyond the cursor. Two statements.

    "paid" means to ship, so it has those, too, of which a part was refunded before anything left.
    `search` is part of an order's number, or of the buyer's name or address.
    """
    query = select(Order).order_by(Order.id.desc()).limit(limit + 1).options(selectinload(Order.lines))
    if status == "paid":
        query = query.where(TO_SHIP)
    elif status:
        query = query.where(Order.status == status)
    if search:
        query = query.where(
            or_(*(part.icontains(search, autoescape=True) for part in (Order.number, Order.email, Order.buyer_name)))
        )
    if (beyond := cursor_id(after)) is not None:
        query = query.where(Order.id < beyond)
    orders = session.scalars(query).all()
    rows = tuple(
        OrderRow(
            id=order.id,
            number=order.number,
            status=order.status,
            email=order.email,
            buyer_name=order.buyer_name,
            total=Money(order.total_minor, order.currency),
            pieces=sum(line.quantity for line in order.lines),
            article_title=_story_of(order.lines),
            placed_at=order.placed_at,
        )
        for order in orders[:limit]
    )
    return OrderPage(rows, str(rows[-1].id) if len(orders) > limit else None)


def _story_of(lines: list[OrderLine]) -> str:
    return next((line.article_title or line.article_url for line in lines if line.article_url), "")


def numbers_of(session: Session, order_ids: Collection[int]) -> dict[int, str]:
    """Order id -> number. One statement; none for none."""
    if not order_ids:
        return {}
    rows = session.execute(select(Order.id, Order.number).where(Order.id.in_(order_ids)))
    return {row.id: row.number for row in rows}


def count_by_status(session: Session) -> dict[str, int]:
    """How many orders a list of each status has; see `list_orders`. One statement."""
    to_ship = Order.shipped_at.is_(None)
    rows = session.execute(select(Order.status, to_ship, func.count()).group_by(Order.status, to_ship))
    counts: Counter[str] = Counter()
    for status, waits, count in rows:
        counts[status] += count
        if waits and status == "partly_refunded":
            counts["paid"] += count
    return dict(counts)
