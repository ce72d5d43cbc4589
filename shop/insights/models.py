"""Table of counters."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shop.db import Base

STEPS = ("served", "seen", "opened", "added", "checkout", "unverified")


class InsightCount(Base):
    """How often a step was taken on one day (of the shop's time zone), by story, product and placement.

    Sums without a person in them. What was paid and refunded is not here: it is read from the orders. Ids refer to nothing that
    must still be there, for a batch of counters must not fail because a story has gone; `key` is all of them as one text, for
    the unique key, since no NULL is equal to another.
    """

    __tablename__ = "insight_counts"
    __table_args__ = (
        UniqueConstraint("day", "step", "key"),
        CheckConstraint("times > 0", name="counts_something"),
        CheckConstraint("step IN ('served', 'seen', 'opened', 'added', 'checkout', 'unverified')", name="step_known"),
        Index("ix_insight_counts_article_id_day", "article_id", "day"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    day: Mapped[date]
    step: Mapped[str] = mapped_column(String(10))
    key: Mapped[str] = mapped_column(String(160))
    article_id: Mapped[int | None]
    product_id: Mapped[int | None]
    tie_in_id: Mapped[int | None]
    slot: Mapped[str] = mapped_column(String(40), default="")
    layout: Mapped[str] = mapped_column(String(10), default="")
    times: Mapped[int] = mapped_column(BigInteger())
