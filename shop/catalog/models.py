"""Tables of the catalogue: products, their options and variants, pictures, and the ledger of stock."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.db import Base, now

PRODUCT_STATUSES = ("draft", "active", "archived")


class CatalogueClock(Base):
    """One row whose `version` grows with every change to what readers see; caches compare it instead of guessing.

    `stories` grows with every change to what stands under which story.
    """

    __tablename__ = "catalogue_clock"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(default=1)
    stories: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class Purge(Base):
    """Surrogate keys that caches in front of the shop must forget, written with the change that made them stale."""

    __tablename__ = "purges"
    __table_args__ = (
        Index("ix_purges_due_at", "due_at"),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    keys: Mapped[list[Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
    error: Mapped[str] = mapped_column(String(400), default="")


class Product(Base):
    """Something the newsroom sells. `description_html` is `description` rendered and sanitised when it was saved.

    `successor_id` is what is offered in its place once it is not sold any more.
    """

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'archived')", name="status_known"),
        CheckConstraint(
            "unpublish_at IS NULL OR publish_at IS NULL OR unpublish_at > publish_at", name="window_ordered"
        ),
        CheckConstraint("successor_id <> id", name="successor_is_another"),
        Index("ix_products_shelf", "status", "position", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    title: Mapped[str] = mapped_column(String(140))
    tagline: Mapped[str] = mapped_column(String(200), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    description_html: Mapped[str] = mapped_column(Text, default="")
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(10), default="draft")
    publish_at: Mapped[datetime | None]
    unpublish_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(default=0)
    successor_id: Mapped[int | None] = mapped_column(ForeignKey("products.id", ondelete="SET NULL"), index=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    options: Mapped[list["ProductOption"]] = relationship(
        back_populates="product", order_by="ProductOption.position", cascade="all, delete-orphan", lazy="raise"
    )
    variants: Mapped[list["Variant"]] = relationship(
        back_populates="product", order_by="Variant.position, Variant.id", cascade="all, delete-orphan", lazy="raise"
    )
    images: Mapped[list["ProductImage"]] = relationship(
        back_populates="product",
        order_by="ProductImage.position, ProductImage.id",
        cascade="all, delete-orphan",
        lazy="raise",
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class OldSlug(Base):
    """An address that a product once had, so that what was printed under a story years ago still leads somewhere.

    Of a product that was deleted the row stays, and leads to its successor if it had one.
    """

    __tablename__ = "old_slugs"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("products.id", ondelete="SET NULL"), index=True)
    given_up_at: Mapped[datetime] = mapped_column(default=now)


class Waiting(Base):
    """Somebody who asked to be told when a product, or one variant of it, is back. Told once, then forgotten.

    `ticket_digest` is that of the link that takes the request back.
    """

    __tablename__ = "waitlist"
    __table_args__ = (
        UniqueConstraint("product_id", "variant_key", "email"),
        Index("ix_waitlist_variant_id", "variant_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    variant_id: Mapped[int | None] = mapped_column(ForeignKey("variants.id", ondelete="CASCADE"))
    variant_key: Mapped[int] = mapped_column(
        default=0
    )  # the variant's id, or 0: NULLs would escape a unique constraint
    email: Mapped[str] = mapped_column(String(320))
    locale: Mapped[str] = mapped_column(String(20), default="")
    story_url: Mapped[str] = mapped_column(String(500), default="")
    ticket_digest: Mapped[str] = mapped_column(String(64), unique=True)
    asked_at: Mapped[datetime] = mapped_column(default=now)


class ProductOption(Base):
    """A way in which a product's variants differ: "Size", "Colour"."""

    __tablename__ = "product_options"
    __table_args__ = (UniqueConstraint("product_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(default=0)

    product: Mapped[Product] = relationship(back_populates="options", lazy="raise")
    values: Mapped[list["OptionValue"]] = relationship(
        back_populates="option", order_by="OptionValue.position", cascade="all, delete-orphan", lazy="raise"
    )


class OptionValue(Base):
    """One choice of an option: "M", "Black"."""

    __tablename__ = "option_values"
    __table_args__ = (UniqueConstraint("option_id", "value"), UniqueConstraint("option_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    option_id: Mapped[int] = mapped_column(ForeignKey("product_options.id", ondelete="CASCADE"))
    value: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(default=0)

    option: Mapped[ProductOption] = relationship(back_populates="values", lazy="raise")


class Variant(Base):
    """What is actually bought: one SKU. `on_hand` counts pieces in the store room, `reserved` those promised to open orders.

    Only `shop.catalog.stock` writes the two counters. `title` repeats the option values ("Black / M"; empty without options),
    `choice_key` their ids, so that one combination exists once.
    """

    __tablename__ = "variants"
    __table_args__ = (
        UniqueConstraint("product_id", "choice_key"),
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        CheckConstraint("weight_grams >= 0", name="weight_not_negative"),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("reserved <= on_hand", name="reserved_within_on_hand"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    sku: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(140), default="")
    choice_key: Mapped[str] = mapped_column(String(80), default="")
    price_minor: Mapped[int]
    weight_grams: Mapped[int] = mapped_column(default=0)
    on_hand: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)

    product: Mapped[Product] = relationship(back_populates="variants", lazy="raise")
    choices: Mapped[list["VariantChoice"]] = relationship(
        back_populates="variant", cascade="all, delete-orphan", lazy="raise"
    )

    @property
    def available(self) -> int:
        """Pieces that can still be promised."""
        return self.on_hand - self.reserved


class VariantChoice(Base):
    """The value a variant has for one option; one value for each option, and only a value of that option."""

    __tablename__ = "variant_choices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["option_id", "value_id"], ["option_values.option_id", "option_values.id"], ondelete="CASCADE"
        ),
        Index("ix_variant_choices_option_id_value_id", "option_id", "value_id"),
    )

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id", ondelete="CASCADE"), primary_key=True)
    option_id: Mapped[int] = mapped_column(primary_key=True)
    value_id: Mapped[int]

    variant: Mapped[Variant] = relationship(back_populates="choices", lazy="raise")
    value: Mapped[OptionValue] = relationship(lazy="raise", viewonly=True)


class ProductImage(Base):
    """A picture. `key` is the digest of the original file; the sizes made of it lie under that name in the media folder."""

    __tablename__ = "product_images"
    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="size_known"),
        Index("ix_product_images_product_id_position", "product_id", "position"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    value_id: Mapped[int | None] = mapped_column(ForeignKey("option_values.id", ondelete="SET NULL"), index=True)
    key: Mapped[str] = mapped_column(String(64))
    alt: Mapped[str] = mapped_column(String(300), default="")
    width: Mapped[int]
    height: Mapped[int]
    position: Mapped[int] = mapped_column(default=0)

    product: Mapped[Product] = relationship(back_populates="images", lazy="raise")


class StockMovement(Base):
    """One line of the stock ledger: pieces in (positive) or out (negative). The lines of a variant add up to `on_hand`.

    `reference` names what caused it (an order's number); a cause moves a variant's stock once for each kind.
    """

    __tablename__ = "stock_movements"
    __table_args__ = (
        CheckConstraint("pieces <> 0", name="moves_something"),
        CheckConstraint("kind IN ('receive', 'adjust', 'sale', 'restock')", name="kind_known"),
        UniqueConstraint("variant_id", "kind", "reference"),
        Index("ix_stock_movements_variant_id_id", "variant_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id", ondelete="RESTRICT"))
    pieces: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(200), default="")
    reference: Mapped[str | None] = mapped_column(String(80))
    actor: Mapped[str] = mapped_column(String(120), default="")
    at: Mapped[datetime] = mapped_column(default=now)
