"""Tables of stories: articles, what stands under them and why, what must not, and where the shop hears of them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.db import Base, now


class Article(Base):
    """A story of the publisher's, known by its canonical URL.

    `source` says how it became known, and so how far its title and tags are believed: from an "order" there is only what a
    reader's page claimed; "page" was read from the story itself, "feed" from the publisher's feeds, "hand" written by staff.
    `guard_approved_at` is set once somebody has looked at a sensitive story and let rules put merchandise under it.
    """

    __tablename__ = "articles"
    __table_args__ = (
        CheckConstraint("source IN ('order', 'page', 'feed', 'hand')", name="source_known"),
        Index("ix_articles_published_at", "published_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(500), unique=True)
    title: Mapped[str] = mapped_column(String(300), default="")
    section: Mapped[str] = mapped_column(String(120), default="", server_default=text("''"))
    author: Mapped[str] = mapped_column(String(300), default="", server_default=text("''"))
    summary: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    published_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(String(10), default="order", server_default=text("'order'"))
    guard_approved_at: Mapped[datetime | None]
    guard_approved_by: Mapped[str] = mapped_column(String(120), default="", server_default=text("''"))
    first_seen_at: Mapped[datetime] = mapped_column(default=now)

    tags: Mapped[list["ArticleTag"]] = relationship(
        back_populates="article", order_by="ArticleTag.key", cascade="all, delete-orphan", lazy="raise"
    )


class ArticleTag(Base):
    """One tag of a story: as the publisher writes it, and folded (`shop.articles.words.folded`) to be found by."""

    __tablename__ = "article_tags"
    __table_args__ = (Index("ix_article_tags_key", "key"),)

    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    tag: Mapped[str] = mapped_column(String(80))

    article: Mapped[Article] = relationship(back_populates="tags", lazy="raise")


class TieIn(Base):
    """Which products stand under which stories: one article (`article_id`), or every article that a rule matches.

    A rule's conditions all hold: section, tag, author, and each of `rule_words` in the title; a rule without any matches every
    story. They are kept as staff wrote them; `rule_key` is the one by which the rule is found (`shop.articles.rules.key_of`), so
    that a story is compared with the few rules that can match it, however many there are. The higher priority stands; among
    equals one article before a rule, the narrower rule before the wider, then the newer.
    """

    __tablename__ = "tie_ins"
    __table_args__ = (
        CheckConstraint("(article_id IS NULL) <> (rule_key IS NULL)", name="article_or_rule"),
        CheckConstraint("ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at", name="window_ordered"),
        CheckConstraint("layout IN ('', 'card', 'line', 'shelf', 'button')", name="layout_known"),
        Index("ix_tie_ins_rule_key", "rule_key"),
        Index("ix_tie_ins_article_id", "article_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    rule_section: Mapped[str] = mapped_column(String(120), default="")
    rule_tag: Mapped[str] = mapped_column(String(80), default="")
    rule_author: Mapped[str] = mapped_column(String(120), default="")
    rule_words: Mapped[str] = mapped_column(String(200), default="")
    rule_key: Mapped[str | None] = mapped_column(String(140))
    slot: Mapped[str] = mapped_column(String(40), default="story")
    priority: Mapped[int] = mapped_column(default=0)
    cta: Mapped[str] = mapped_column(String(120), default="")
    layout: Mapped[str] = mapped_column(String(10), default="")
    active: Mapped[bool] = mapped_column(default=True)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(String(120), default="")

    products: Mapped[list["TieInProduct"]] = relationship(
        back_populates="tie_in", order_by="TieInProduct.position", cascade="all, delete-orphan", lazy="raise"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TieInProduct(Base):
    """One product of a tie-in, in its place."""

    __tablename__ = "tie_in_products"
    __table_args__ = (Index("ix_tie_in_products_product_id", "product_id"),)

    tie_in_id: Mapped[int] = mapped_column(ForeignKey("tie_ins.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)

    tie_in: Mapped[TieIn] = relationship(back_populates="products", lazy="raise")


class Suppression(Base):
    """Merchandise taken away: from one article, a section, a tag, of one product, or everywhere. Lifted, it stays as history.

    `key` names what it holds for ("article:12", "section:world", "tag:north korea", "product:5", "everywhere"), folded;
    `open_key` repeats it while it holds, so that the same thing is suppressed once.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        CheckConstraint("scope IN ('article', 'section', 'tag', 'product', 'everywhere')", name="scope_known"),
        CheckConstraint("(open_key IS NULL) = (lifted_at IS NOT NULL)", name="open_until_lifted"),
        UniqueConstraint("open_key"),
        Index("ix_suppressions_key", "key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(String(10))
    key: Mapped[str] = mapped_column(String(140))
    open_key: Mapped[str | None] = mapped_column(String(140))
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), index=True)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(String(400), default="")
    suppressed_at: Mapped[datetime] = mapped_column(default=now)
    suppressed_by: Mapped[str] = mapped_column(String(120), default="")
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(String(120), default="")


class GuardWord(Base):
    """How the list of words that make a story sensitive differs from the one that the shop comes with
    (`shop.articles.guard.WORDS`): a word, or a few, added (`guards`) or taken off. `word` is folded.
    """

    __tablename__ = "guard_words"

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(80), unique=True)
    guards: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime] = mapped_column(default=now)
    changed_by: Mapped[str] = mapped_column(String(120), default="")


class Feed(Base):
    """A feed or news sitemap of the publisher's that is asked for new stories. `due_at` is moved on before it is asked, so
    that of several workers one asks.
    """

    __tablename__ = "feeds"
    __table_args__ = (
        Index("ix_feeds_due_at", "due_at"),
        CheckConstraint("failures >= 0", name="failures_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(500), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    etag: Mapped[str] = mapped_column(String(200), default="")
    last_modified: Mapped[str] = mapped_column(String(60), default="")
    due_at: Mapped[datetime] = mapped_column(default=now)
    asked_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(400), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
