"""Tables of what is between the shop and Stripe: attempts to be paid, refunds, disputes, the inbox, and the reconciler's notes."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shop.db import Base, now


class PaymentAttempt(Base):
    """One Checkout Session of an order, stored before Stripe is called, with the very parameters and key of that call.

    Without a `session_id` the call may or may not have reached Stripe; the same key and parameters find out. The order's
    `closed_at` says that the session has been paid, has expired, or never came to be.
    """

    __tablename__ = "payment_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    params: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]
    session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    session_url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    looked_at: Mapped[datetime | None]  # when the sweep last took it up


class StripeEvent(Base):
    """One webhook event as it came, and what became of it. Its unique `stripe_id` is what makes a second delivery harmless.

    waiting: it is to be read anew from Stripe, or tells of a payment that no order is known for yet; failed: it could not be
    applied. Both are tried again by the shop itself at `due_at`, if there is one.
    """

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("state IN ('applied', 'ignored', 'waiting', 'failed')", name="state_known"),
        CheckConstraint("due_at IS NULL OR state IN ('waiting', 'failed')", name="due_is_unfinished"),
        Index("ix_stripe_events_state_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(String(255), unique=True)
    type: Mapped[str] = mapped_column(String(80))
    api_version: Mapped[str] = mapped_column(String(40), default="")
    livemode: Mapped[bool] = mapped_column(default=False)
    object_id: Mapped[str] = mapped_column(String(255), default="", index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id", ondelete="SET NULL"), index=True)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(400), default="")
    attempts: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(default=now)
    applied_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None] = mapped_column(index=True)


class Refund(Base):
    """Money given back, or being given back. Stored before Stripe is called, with the key and parameters of that call.

    creating: the call may or may not have reached Stripe. refused: Stripe said no, and nothing was refunded. The others are
    Stripe's own words. A refund that was made in Stripe's dashboard has no `idempotency_key` and no lines.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("shipping_minor >= 0 AND shipping_minor <= amount_minor", name="shipping_within_amount"),
        CheckConstraint(
            "status IN ('creating', 'pending', 'requires_action', 'succeeded', 'failed', 'canceled', 'refused')",
            name="status_known",
        ),
        CheckConstraint("stripe_id IS NOT NULL OR status IN ('creating', 'refused')", name="told_has_id"),
        Index("ix_refunds_status_id", "status", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    stripe_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    amount_minor: Mapped[int]
    shipping_minor: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(16), default="creating")
    reason: Mapped[str] = mapped_column(String(40), default="")
    note: Mapped[str] = mapped_column(String(400), default="")
    restock: Mapped[bool] = mapped_column(default=False)
    actor: Mapped[str] = mapped_column(String(120), default="")
    failure_reason: Mapped[str] = mapped_column(String(400), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    told_at: Mapped[datetime | None]  # of the newest thing that Stripe said about it
    looked_at: Mapped[datetime | None]  # when the sweep last asked about it


class RefundLine(Base):
    """Pieces of an order's line that a refund pays back."""

    __tablename__ = "refund_lines"
    __table_args__ = (
        UniqueConstraint("refund_id", "order_line_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id", ondelete="CASCADE"))
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_lines.id", ondelete="CASCADE"), index=True)
    quantity: Mapped[int]
    amount_minor: Mapped[int]


class Dispute(Base):
    """A buyer's bank takes a payment back. `status` is Stripe's own word; money in minor units of `currency`.

    `withdrawn_minor` and `reinstated_minor` are what the balance lost and got back by it, without the bank's fee.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("withdrawn_minor >= 0 AND reinstated_minor >= 0", name="funds_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    stripe_id: Mapped[str] = mapped_column(String(255), unique=True)
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(60), default="")
    status: Mapped[str] = mapped_column(String(40))
    evidence_due_at: Mapped[datetime | None]
    evidence_submitted: Mapped[bool] = mapped_column(default=False)
    withdrawn_minor: Mapped[int] = mapped_column(default=0)
    reinstated_minor: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    told_at: Mapped[datetime]


class ReconcileRun(Base):
    """One comparison of the shop's books with Stripe's: how far it has come, and what came of it."""

    __tablename__ = "reconcile_runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    stage: Mapped[str] = mapped_column(String(40), default="")
    looked_at: Mapped[int] = mapped_column(default=0)
    mended: Mapped[int] = mapped_column(default=0)
    found: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(400), default="")


class Discrepancy(Base):
    """Where the shop's books and Stripe's say different things, and nothing safe can be done about it by itself."""

    __tablename__ = "discrepancies"
    __table_args__ = (UniqueConstraint("kind", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(255))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id", ondelete="SET NULL"), index=True)
    cause: Mapped[str] = mapped_column(String(400))
    found_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    resolved_at: Mapped[datetime | None] = mapped_column(index=True)
