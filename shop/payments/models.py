"""Tables of payment attempts and of the webhook inbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shop.db import Base, now


class PaymentAttempt(Base):
    """One Checkout Session of an order, stored before Stripe is called, with the very parameters and key of that call.

    creating: the call may or may not have reached Stripe; the same key and parameters find out.
    open: `session_id` and `session_url` are known and the buyer may pay.
    closed: the session has been paid, has expired, or never came to be.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        CheckConstraint("state IN ('creating', 'open', 'closed')", name="state_known"),
        CheckConstraint("state <> 'open' OR session_id IS NOT NULL", name="open_has_session"),
        Index("ix_payment_attempts_state_expires_at", "state", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    params: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), default="creating")
    session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    session_url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    looked_at: Mapped[datetime | None]  # when the sweep last took it up


class StripeEvent(Base):
    """One webhook event as it came, and what became of it. Its unique `stripe_id` is what makes a second delivery harmless."""

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("state IN ('applied', 'ignored', 'failed')", name="state_known"),
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
