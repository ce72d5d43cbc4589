"""Tables of carts."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.catalog.models import Variant
from shop.db import Base, now


class Cart(Base):
    """What one reader means to buy. Only the digest of its handle is stored: reading the table opens nobody's cart.

    `express_key` marks a "Buy now" cart: the same press of the button finds the same cart again.
    """

    __tablename__ = "carts"
    __table_args__ = (Index("ix_carts_updated_at", "updated_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    handle_digest: Mapped[str] = mapped_column(String(64), unique=True)
    express_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    country: Mapped[str | None] = mapped_column(String(2))
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    lines: Mapped[list["CartLine"]] = relationship(
        back_populates="cart", order_by="CartLine.id", cascade="all, delete-orphan", lazy="raise"
    )


class CartLine(Base):
    """So many of one variant, from one story. `seen_price_minor` is the price the reader was last shown.

    `stopped` says that it cannot be bought now: merchandise was taken away from its story, or its product from sale.
    """

    __tablename__ = "cart_lines"
    __table_args__ = (
        UniqueConstraint("cart_id", "source_key"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("seen_price_minor >= 0", name="seen_price_not_negative"),
        CheckConstraint("stopped IN ('', 'story', 'product')", name="stopped_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cart_id: Mapped[int] = mapped_column(ForeignKey("carts.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id", ondelete="CASCADE"), index=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"), index=True)
    source_key: Mapped[str] = mapped_column(String(80))  # "variant:article"; NULLs would escape a unique constraint
    quantity: Mapped[int]
    seen_price_minor: Mapped[int]
    placement: Mapped[str] = mapped_column(String(40), default="")
    tie_in_id: Mapped[int | None] = mapped_column(ForeignKey("tie_ins.id", ondelete="SET NULL"), index=True)
    slot: Mapped[str] = mapped_column(String(40), default="", server_default=text("''"))
    stopped: Mapped[str] = mapped_column(String(10), default="", server_default=text("''"))
    # As this reader's page gave it: nobody else's reader is shown it.
    article_title: Mapped[str] = mapped_column(String(300), default="", server_default=text("''"))
    added_at: Mapped[datetime] = mapped_column(default=now)

    cart: Mapped[Cart] = relationship(back_populates="lines", lazy="raise")
    variant: Mapped[Variant] = relationship(lazy="raise")


class CartHandover(Base):
    """A single-use ticket that lets the shop's own pages adopt a cart that began in an embed."""

    __tablename__ = "cart_handovers"
    __table_args__ = (
        # Carts are forgotten by the hundred, and their tickets with them.
        Index("ix_cart_handovers_cart_id", "cart_id"),
        Index("ix_cart_handovers_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_digest: Mapped[str] = mapped_column(String(64), unique=True)
    cart_id: Mapped[int] = mapped_column(ForeignKey("carts.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
