"""Stories known by more than their address, tie-ins, suppression, feeds, counters, waitlists and old addresses.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables_of_stories()
    _tables_beside_them()
    _columns()


def _tables_of_stories() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("last_modified", sa.String(length=60), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=400), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_feeds_failures_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("url", name=op.f("uq_feeds_url")),
    )
    with op.batch_alter_table("feeds") as batch_op:
        batch_op.create_index("ix_feeds_due_at", ["due_at"], unique=False)

    op.create_table(
        "guard_words",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(length=80), nullable=False),
        sa.Column("guards", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guard_words")),
        sa.UniqueConstraint("word", name=op.f("uq_guard_words_word")),
    )
    op.create_table(
        "article_tags",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("tag", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_tags_article_id_articles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "key", name=op.f("pk_article_tags")),
    )
    with op.batch_alter_table("article_tags") as batch_op:
        batch_op.create_index("ix_article_tags_key", ["key"], unique=False)

    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=140), nullable=False),
        sa.Column("open_key", sa.String(length=140), nullable=True),
        sa.Column("article_id", sa.Integer(), nullable=True),
        sa.Column("product_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("suppressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suppressed_by", sa.String(length=120), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint(
            "scope IN ('article', 'section', 'tag', 'product', 'everywhere')", name=op.f("ck_suppressions_scope_known")
        ),
        sa.CheckConstraint(
            "(open_key IS NULL) = (lifted_at IS NOT NULL)", name=op.f("ck_suppressions_open_until_lifted")
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_suppressions_article_id_articles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_suppressions_product_id_products"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("open_key", name=op.f("uq_suppressions_open_key")),
    )
    with op.batch_alter_table("suppressions") as batch_op:
        batch_op.create_index(batch_op.f("ix_suppressions_article_id"), ["article_id"], unique=False)
        batch_op.create_index("ix_suppressions_key", ["key"], unique=False)
        batch_op.create_index(batch_op.f("ix_suppressions_product_id"), ["product_id"], unique=False)

    op.create_table(
        "tie_ins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=True),
        sa.Column("rule_section", sa.String(length=120), nullable=False),
        sa.Column("rule_tag", sa.String(length=80), nullable=False),
        sa.Column("rule_author", sa.String(length=120), nullable=False),
        sa.Column("rule_words", sa.String(length=200), nullable=False),
        sa.Column("rule_key", sa.String(length=140), nullable=True),
        sa.Column("slot", sa.String(length=40), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cta", sa.String(length=120), nullable=False),
        sa.Column("layout", sa.String(length=10), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint("layout IN ('', 'card', 'line', 'shelf', 'button')", name=op.f("ck_tie_ins_layout_known")),
        sa.CheckConstraint("(article_id IS NULL) <> (rule_key IS NULL)", name=op.f("ck_tie_ins_article_or_rule")),
        sa.CheckConstraint(
            "ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at", name=op.f("ck_tie_ins_window_ordered")
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_tie_ins_article_id_articles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tie_ins")),
    )
    with op.batch_alter_table("tie_ins") as batch_op:
        batch_op.create_index("ix_tie_ins_article_id", ["article_id"], unique=False)
        batch_op.create_index("ix_tie_ins_rule_key", ["rule_key"], unique=False)

    op.create_table(
        "tie_in_products",
        sa.Column("tie_in_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_tie_in_products_product_id_products"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tie_in_id"], ["tie_ins.id"], name=op.f("fk_tie_in_products_tie_in_id_tie_ins"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tie_in_id", "product_id", name=op.f("pk_tie_in_products")),
    )
    with op.batch_alter_table("tie_in_products") as batch_op:
        batch_op.create_index("ix_tie_in_products_product_id", ["product_id"], unique=False)


def _tables_beside_them() -> None:
    op.create_table(
        "insight_counts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=True),
        sa.Column("product_id", sa.Integer(), nullable=True),
        sa.Column("tie_in_id", sa.Integer(), nullable=True),
        sa.Column("slot", sa.String(length=40), nullable=False),
        sa.Column("layout", sa.String(length=10), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "step IN ('served', 'seen', 'opened', 'added', 'checkout', 'unverified')",
            name=op.f("ck_insight_counts_step_known"),
        ),
        sa.CheckConstraint("times > 0", name=op.f("ck_insight_counts_counts_something")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insight_counts")),
        sa.UniqueConstraint("day", "step", "key", name=op.f("uq_insight_counts_day_step_key")),
    )
    with op.batch_alter_table("insight_counts") as batch_op:
        batch_op.create_index("ix_insight_counts_article_id_day", ["article_id", "day"], unique=False)

    op.create_table(
        "purges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(length=400), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_purges_attempts_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purges")),
    )
    with op.batch_alter_table("purges") as batch_op:
        batch_op.create_index("ix_purges_due_at", ["due_at"], unique=False)

    op.create_table(
        "old_slugs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_old_slugs_product_id_products"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_old_slugs")),
        sa.UniqueConstraint("slug", name=op.f("uq_old_slugs_slug")),
    )
    with op.batch_alter_table("old_slugs") as batch_op:
        batch_op.create_index(batch_op.f("ix_old_slugs_product_id"), ["product_id"], unique=False)

    op.create_table(
        "waitlist",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.Integer(), nullable=True),
        sa.Column("variant_key", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("story_url", sa.String(length=500), nullable=False),
        sa.Column("ticket_digest", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_waitlist_product_id_products"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_waitlist_variant_id_variants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist")),
        sa.UniqueConstraint(
            "product_id", "variant_key", "email", name=op.f("uq_waitlist_product_id_variant_key_email")
        ),
        sa.UniqueConstraint("ticket_digest", name=op.f("uq_waitlist_ticket_digest")),
    )
    with op.batch_alter_table("waitlist") as batch_op:
        batch_op.create_index("ix_waitlist_variant_id", ["variant_id"], unique=False)


def _columns() -> None:
    with op.batch_alter_table("articles") as batch_op:
        batch_op.add_column(sa.Column("section", sa.String(length=120), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("author", sa.String(length=300), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("summary", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("source", sa.String(length=10), server_default=sa.text("'order'"), nullable=False)
        )
        batch_op.add_column(sa.Column("guard_approved_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("guard_approved_by", sa.String(length=120), server_default=sa.text("''"), nullable=False)
        )
        batch_op.create_index("ix_articles_published_at", ["published_at", "id"], unique=False)
        batch_op.create_check_constraint(
            op.f("ck_articles_source_known"), "source IN ('order', 'page', 'feed', 'hand')"
        )

    with op.batch_alter_table("cart_lines") as batch_op:
        batch_op.add_column(sa.Column("tie_in_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("slot", sa.String(length=40), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("stopped", sa.String(length=10), server_default=sa.text("''"), nullable=False))
        batch_op.create_index(batch_op.f("ix_cart_lines_tie_in_id"), ["tie_in_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_cart_lines_tie_in_id_tie_ins"), "tie_ins", ["tie_in_id"], ["id"], ondelete="SET NULL"
        )
        batch_op.create_check_constraint(op.f("ck_cart_lines_stopped_known"), "stopped IN ('', 'story', 'product')")

    with op.batch_alter_table("catalogue_clock") as batch_op:
        batch_op.add_column(sa.Column("stories", sa.Integer(), server_default=sa.text("1"), nullable=False))

    with op.batch_alter_table("order_lines") as batch_op:
        batch_op.add_column(sa.Column("tie_in_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("slot", sa.String(length=40), server_default=sa.text("''"), nullable=False))
        batch_op.create_index(batch_op.f("ix_order_lines_tie_in_id"), ["tie_in_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_order_lines_tie_in_id_tie_ins"), "tie_ins", ["tie_in_id"], ["id"], ondelete="SET NULL"
        )

    with op.batch_alter_table("products") as batch_op:
        batch_op.add_column(sa.Column("successor_id", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_products_successor_id"), ["successor_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_products_successor_id_products"), "products", ["successor_id"], ["id"], ondelete="SET NULL"
        )
        batch_op.create_check_constraint(op.f("ck_products_successor_is_another"), "successor_id <> id")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward only: restore the backup that was made before this one")
