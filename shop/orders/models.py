"""Tables of orders."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.db import Base, now

ORDER_STATUSES = (
    "pending",
    "processing",
    "paid",
    "shipped",
    "partly_refunded",
    "refunded",
    "disputed",
    "payment_failed",
    "expired",
    "cancelled",
    "attention",
)
DISPUTE_STATES = ("", "open", "won", "lost")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Order(Base):
    """One purchase. Columns ending in `_at` are facts: each is set once and never taken back; `status` follows from them.

    Money is in minor units of `currency`. `shipping_minor`, `total_minor` and the address are known once Stripe says which
    shipping option was chosen. `open_cart_id` repeats `cart_id` while the order can still be paid: its unique constraint
    allows one payable order for each cart.

    `refunded_minor` has reached the buyer, `refund_pending_minor` is on its way or being asked for: both are sums over the
    order's refunds. `disputed_minor` is what disputes have taken and not brought back. `unmatched_minor` of
    `unmatched_currency` is what a buyer paid that is not what the order asked for.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("subtotal_minor >= 0", name="subtotal_not_negative"),
        CheckConstraint("shipping_minor >= 0", name="shipping_not_negative"),
        CheckConstraint("refunded_minor >= 0 AND refund_pending_minor >= 0", name="refund_not_negative"),
        CheckConstraint("refunded_minor + refund_pending_minor <= paid_minor", name="refund_within_paid"),
        CheckConstraint("disputed_minor >= 0", name="disputed_not_negative"),
        CheckConstraint(_one_of("dispute_state", DISPUTE_STATES), name="dispute_state_known"),
        CheckConstraint(
            "unmatched_minor IS NULL OR (paid_at IS NULL AND unmatched_minor > 0 AND unmatched_currency IS NOT NULL)",
            name="unmatched_is_not_paid",
        ),
        CheckConstraint("paid_at IS NOT NULL OR paid_minor = 0", name="paid_amount_is_dated"),
        CheckConstraint("total_minor = subtotal_minor + shipping_minor", name="total_adds_up"),
        CheckConstraint("paid_at IS NULL OR paid_minor = total_minor", name="paid_in_full"),
        CheckConstraint("open_cart_id IS NULL OR closed_at IS NULL", name="closed_frees_the_cart"),
        CheckConstraint(_one_of("status", ORDER_STATUSES), name="status_known"),
        CheckConstraint("stock_state IN ('reserved', 'sold', 'released', 'owed')", name="stock_state_known"),
        CheckConstraint("stock_state <> 'sold' OR paid_at IS NOT NULL", name="sold_is_paid"),
        CheckConstraint("shipped_at IS NULL OR paid_at IS NOT NULL", name="shipped_is_paid"),
        Index("ix_orders_status_id", "status", "id"),
        Index(
            "ix_orders_open", "id", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    access_token: Mapped[str] = mapped_column(String(64), unique=True)
    cart_id: Mapped[int | None] = mapped_column(ForeignKey("carts.id", ondelete="SET NULL"), index=True)
    open_cart_id: Mapped[int | None] = mapped_column(unique=True)
    cart_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    stock_state: Mapped[str] = mapped_column(String(10), default="reserved")
    attention: Mapped[str | None] = mapped_column(Text)
    livemode: Mapped[bool] = mapped_column(default=False)
    locale: Mapped[str] = mapped_column(
        String(20), default="", server_default=text("''")
    )  # the reader's language; empty is the shop's

    currency: Mapped[str] = mapped_column(String(3))
    subtotal_minor: Mapped[int]
    shipping_minor: Mapped[int] = mapped_column(default=0)
    total_minor: Mapped[int]
    paid_minor: Mapped[int] = mapped_column(default=0)
    refunded_minor: Mapped[int] = mapped_column(default=0)
    refund_pending_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    disputed_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    dispute_state: Mapped[str] = mapped_column(String(10), default="", server_default=text("''"))
    unmatched_minor: Mapped[int | None]
    unmatched_currency: Mapped[str | None] = mapped_column(String(3))

    country: Mapped[str] = mapped_column(String(2))
    shipping_method: Mapped[str] = mapped_column(String(120), default="")
    email: Mapped[str] = mapped_column(String(320), default="")
    buyer_name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[dict[str, Any]] = mapped_column(default=dict)
    payment_intent: Mapped[str | None] = mapped_column(String(255), index=True)

    placed_at: Mapped[datetime] = mapped_column(default=now, index=True)
    processing_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    payment_failed_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    shipped_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]  # no payment can arrive any more, or it has arrived

    lines: Mapped[list["OrderLine"]] = relationship(
        back_populates="order", order_by="OrderLine.id", cascade="all, delete-orphan", lazy="raise"
    )
    entries: Mapped[list["OrderEntry"]] = relationship(
        order_by="OrderEntry.id", cascade="all, delete-orphan", lazy="raise"
    )


class OrderLine(Base):
    """What was ordered, as it was named and priced then; later changes of the catalogue or the story do not reach it."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("unit_price_minor >= 0", name="price_not_negative"),
        CheckConstraint("refunded_quantity >= 0 AND refunded_quantity <= quantity", name="refunded_within_ordered"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    variant_id: Mapped[int | None] = mapped_column(ForeignKey("variants.id", ondelete="RESTRICT"), index=True)
    sku: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(140))
    variant_title: Mapped[str] = mapped_column(String(140), default="")
    product_slug: Mapped[str] = mapped_column(String(80), default="")
    image_key: Mapped[str] = mapped_column(String(64), default="")
    unit_price_minor: Mapped[int]
    quantity: Mapped[int]
    # Pieces given back, or being given back.
    refunded_quantity: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    weight_grams: Mapped[int] = mapped_column(default=0)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"), index=True)
    article_url: Mapped[str] = mapped_column(String(500), default="")
    article_title: Mapped[str] = mapped_column(String(300), default="")
    placement: Mapped[str] = mapped_column(String(40), default="")
    tie_in_id: Mapped[int | None] = mapped_column(ForeignKey("tie_ins.id", ondelete="SET NULL"), index=True)
    slot: Mapped[str] = mapped_column(String(40), default="", server_default=text("''"))

    order: Mapped[Order] = relationship(back_populates="lines", lazy="raise")


class OrderEntry(Base):
    """One line of an order's timeline: what happened, when, and who or which event said so. Never changed afterwards."""

    __tablename__ = "order_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    what: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(120), default="")
    amount_minor: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(400), default="")
